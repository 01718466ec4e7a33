"""The frames of one DICOM file: physical values, and what its header knows of where they lie."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

import numpy as np

from medfuncta._src.door.wording import counted, shortened
from medfuncta._src.errors import DataError, missing_extra
from medfuncta._src.sources.volume import check_claim

if TYPE_CHECKING:
    from pydicom import Dataset

_DENSEST: Final = 2000  # bytes that one byte of a compressed image may honestly become
_DOSE: Final = "1.2.840.10008.5.1.4.1.1.481.2"
_NUCLEAR: Final = "1.2.840.10008.5.1.4.1.1.20"
_PIXELS: Final = ("PixelData", "FloatPixelData", "DoubleFloatPixelData")
_SPACINGS: Final = {
    "ImagerPixelSpacing": "the spacing is that at the detector, which is wider than in the body",
    "NominalScannedPixelSpacing": "the spacing is that of the film that was scanned",
}
"""Where a spacing stands that is not the patient's, and what is said of it."""


@dataclass(frozen=True, eq=False)
class Frame:
    """One slice: physical values and what is known of its place, lengths in mm.

    Args:
        values: ``[rows, columns, samples]`` float32.
        spacing: Of rows and of columns, ``[2]``, or None.
        corner: The centre of the first pixel on DICOM's world axes, ``[3]``, or None.
        directions: Along a row and along a column, ``[2, 3]``, or None.
        height: Along the normal from the file's first frame, where a file says how its frames are
            stacked; or None.
        thickness: Of the slice, or its distance to the next.
        scaled: Whether the header says how stored numbers become values.
        remarks: What was assumed.
    """

    values: np.ndarray
    spacing: np.ndarray | None
    corner: np.ndarray | None
    directions: np.ndarray | None
    height: float | None
    thickness: float
    scaled: bool
    remarks: tuple[str, ...]


def frames_of(name: str, data: Dataset) -> list[Frame]:
    """All frames of one file.

    Args:
        name: What an error calls it.
        data: The whole file.

    Raises:
        DataError: If its pixels cannot be decoded, a number in its header is none, or its frames
            are no slices.
    """
    count = int(data.get("NumberOfFrames") or 1)
    heights = _heights(name, data, count)
    pixels = _pixels(name, data).reshape(count, int(data.Rows), int(data.Columns), -1)
    frames = []
    for index in range(count):
        header = _FrameHeader(name, data, index)
        spacing, remark = header.spacing()
        alone = count == 1 or "PerFrameFunctionalGroupsSequence" in data
        corner, directions = None, header.directions()
        if alone or heights is not None:
            corner = header.corner()
        height = None if heights is None else heights[index]
        if corner is not None and directions is not None and height is not None:
            corner = corner + height * np.cross(*directions)
        values = header.rescaled(pixels[index])
        remarks = (remark,) if remark else ()
        frames.append(
            Frame(
                values=values,
                spacing=spacing,
                corner=corner,
                directions=directions,
                height=height,
                thickness=header.thickness(),
                scaled=header.is_scaled(),
                remarks=remarks,
            )
        )
    return frames


def check_claims(name: str, data: Dataset, held: int, files: int) -> None:
    """Compare what the header claims with what the file holds, before a decoder asks for memory.

    Args:
        name: What an error calls the file.
        data: The whole file.
        held: Its bytes.
        files: How many of its kind make a signal.

    Raises:
        DataError: If it has no pixels, or fewer than it claims.
    """
    frames = int(data.get("NumberOfFrames") or 1)
    shape = (frames, int(data.get("Rows", 0)), int(data.get("Columns", 0)))
    check_claim(name, (files, *shape, int(data.get("SamplesPerPixel", 1))), files * held)
    tag = next((tag for tag in _PIXELS if tag in data), None)
    if tag is None:
        raise DataError(f"{name} has no pixels (PixelData), only a header; get the whole file")
    samples = np.prod(shape, dtype=float) * int(data.get("SamplesPerPixel", 1))
    needed = samples * int(data.BitsAllocated) / 8
    if str(data.get("PhotometricInterpretation")) == "YBR_FULL_422":
        needed *= 2 / 3
    if data.file_meta.TransferSyntaxUID.is_encapsulated:
        found, needed = held, needed / _DENSEST
    else:
        found = len(data[tag].value)
    if found < int(needed):
        raise DataError(
            f"{name} is cut short: {found:,} bytes of pixels in a file, its header claims "
            f"{int(needed):,}; get it again"
        )


class _FrameHeader:
    """What a header says of one frame; a number that is none is an error that names its field."""

    def __init__(self, name: str, data: Dataset, index: int) -> None:
        self.name = name
        self.data = data
        self.index = index

    def spacing(self) -> tuple[np.ndarray | None, str]:
        """Of rows and of columns, ``[2]``, and a remark where it is not the patient's."""
        found = self.numbers("PixelMeasuresSequence", "PixelSpacing", 2)
        remark = ""
        for keyword, said in _SPACINGS.items():
            if found is None:
                found, remark = self.numbers("", keyword, 2), said
        if found is None:
            return None, ""
        if not (found > 0).all():
            raise DataError(
                f"{self.name} has a spacing of pixels (PixelSpacing) of {found[0]:g} and "
                f"{found[1]:g}; expected two positive numbers; repair the header, or remove it"
            )
        return found, remark

    def corner(self) -> np.ndarray | None:
        return self.numbers("PlanePositionSequence", "ImagePositionPatient", 3)

    def directions(self) -> np.ndarray | None:
        found = self.numbers("PlaneOrientationSequence", "ImageOrientationPatient", 6)
        if found is None:
            return None
        rows = found.reshape(2, 3)
        if not np.allclose(rows @ rows.T, np.eye(2), atol=1e-2):
            raise DataError(
                f"{self.name} has directions of rows and columns (ImageOrientationPatient) that "
                "are not at right angles or not of length 1; repair the header"
            )
        return rows

    def thickness(self) -> float:
        for keyword in ("SpacingBetweenSlices", "SliceThickness"):
            found = self.numbers("PixelMeasuresSequence", keyword, 1)
            if found is not None and found[0]:
                return abs(float(found[0]))
        return 1.0

    def is_scaled(self) -> bool:
        """Whether there is a slope or an intercept, or a table in their place."""
        if "ModalityLUTSequence" in self.data:
            return True
        sequence = "PixelValueTransformationSequence"
        fields = ("RescaleSlope", "RescaleIntercept")
        return any(self.numbers(sequence, field, 1) is not None for field in fields)

    def rescaled(self, pixels: np.ndarray) -> np.ndarray:
        """The physical values of the frame, float32. Colour has neither slope nor intercept, and a
        table needs none."""
        if pixels.shape[-1] > 1 or "ModalityLUTSequence" in self.data:
            return pixels.astype(np.float32)
        if self.data.get("SOPClassUID") == _DOSE:
            slope, intercept, field = (
                self.numbers("", "DoseGridScaling", 1),
                None,
                "DoseGridScaling",
            )
            if slope is None:
                raise DataError(f"{self.name} is a dose without DoseGridScaling; repair the header")
        else:
            sequence, field = "PixelValueTransformationSequence", "RescaleSlope"
            slope = self.numbers(sequence, field, 1)
            intercept = self.numbers(sequence, "RescaleIntercept", 1)
        factor = 1.0 if slope is None else float(slope[0])
        if factor == 0:
            raise DataError(
                f"{self.name} has a {field} of 0, which makes every value the same; repair the "
                "header, or remove that field"
            )
        return (pixels * factor + (0.0 if intercept is None else float(intercept[0]))).astype(
            np.float32
        )

    def numbers(self, sequence: str, keyword: str, count: int) -> np.ndarray | None:
        """Finite numbers ``[count]`` of the frame itself, of all frames, or of the file; None where
        there is no such field.

        Raises:
            DataError: If the field holds something else.
        """
        try:
            found = self._look_up(sequence, keyword)
            if found is None or found == "" or found == []:
                return None
            numbers = np.array(found, float).reshape(-1)
        except (ValueError, TypeError, OverflowError):
            numbers = np.empty(0)
        if numbers.size != count or not np.isfinite(numbers).all():
            raise DataError(
                f"{self.name} has a {keyword} that is not {counted(count, 'number')}; repair the "
                "header"
            )
        return numbers

    def _look_up(self, sequence: str, keyword: str) -> Any:
        positions = {
            "PerFrameFunctionalGroupsSequence": self.index,
            "SharedFunctionalGroupsSequence": 0,
        }
        for tag, position in positions.items():
            groups = self.data[tag].value if tag in self.data else ()
            if sequence and position < len(groups) and groups[position].get(sequence):
                found = groups[position].get(sequence)[0].get(keyword)
                if found is not None:
                    return found
        found = self.data.get(keyword)
        detectors = self.data.get("DetectorInformationSequence")
        if found is None and detectors:  # nuclear medicine keeps place and orientation there
            found = detectors[0].get(keyword)
        return found


def _heights(name: str, data: Dataset, count: int) -> Sequence[float] | None:
    """How far each frame lies along the normal from the first, in objects that say so for the whole
    file; None for any other.

    Raises:
        DataError: If the frames of a nuclear medicine file are no slices.
    """
    header = _FrameHeader(name, data, 0)
    if count > 1 and data.get("SOPClassUID") == _NUCLEAR:
        kind = str([*(data.get("ImageType") or ()), "", "", ""][2])
        if kind != "RECON TOMO":
            raise DataError(
                f"{name} is nuclear medicine of the kind '{shortened(kind, 20)}', whose frames are "
                "no stack of slices; expected RECON TOMO, or one frame"
            )
        step = header.numbers("", "SpacingBetweenSlices", 1)
        return [
            index * float(header.thickness() if step is None else step[0]) for index in range(count)
        ]
    if data.get("SOPClassUID") == _DOSE and count > 1:
        offsets = header.numbers("", "GridFrameOffsetVector", count)
        if offsets is None:
            raise DataError(f"{name} is a dose without GridFrameOffsetVector; repair the header")
        if offsets[0] == 0:
            return offsets.tolist()
        directions = header.directions()  # heights on the world's third axis
        upwards = 1.0 if directions is None else float(np.sign(np.cross(*directions)[2]) or 1)
        return ((offsets - offsets[0]) * upwards).tolist()
    return None


def _pixels(name: str, data: Dataset) -> np.ndarray:
    """Stored numbers as the header says they are meant: look-up tables applied, more is brighter,
    colour as RGB."""
    from pydicom.pixels.processing import apply_color_lut, apply_modality_lut

    _check_decoder(name, data)
    pixels = data.pixel_array
    if data.PhotometricInterpretation == "PALETTE COLOR":
        return apply_color_lut(pixels, data)
    table = "ModalityLUTSequence" in data
    if table:
        pixels = apply_modality_lut(pixels, data)
    dark_is_more = data.PhotometricInterpretation == "MONOCHROME1"
    if not dark_is_more or unit_of(data):  # Hounsfield units stay what they are
        return pixels
    if table:
        entries = apply_modality_lut(_every_number(data), data)
        lowest_plus_highest = int(entries.min()) + int(entries.max())
    elif data.PixelRepresentation:
        lowest_plus_highest = -1
    else:
        lowest_plus_highest = 2 ** int(data.BitsStored) - 1
    return lowest_plus_highest - pixels.astype(np.int64)


def _every_number(data: Dataset) -> np.ndarray:
    """Every stored number that a modality table has an entry for."""
    count, first, _ = data.ModalityLUTSequence[0].LUTDescriptor
    return np.arange(int(count) or 2**16) + int(first)


def _check_decoder(name: str, data: Dataset) -> None:
    """Raise where pixels are compressed in a way that nothing here can undo.

    Raises:
        DataError: If no decoder of this compression is known.
        MedFunctaError: If one is, and is not installed.
    """
    from pydicom.pixels.decoders.base import get_decoder

    syntax = data.file_meta.TransferSyntaxUID
    if not syntax.is_encapsulated:
        return
    try:
        decoder = get_decoder(syntax)
    except NotImplementedError as error:
        raise DataError(
            f"{name} is compressed as {shortened(syntax.name, 60)}, which is not read; decompress "
            "it first"
        ) from error
    if not decoder.is_available:
        raise missing_extra("pylibjpeg", "dicom")


def stored_type(data: Dataset) -> np.dtype:
    """The type of the numbers of a file."""
    if "FloatPixelData" in data or "DoubleFloatPixelData" in data:
        return np.dtype(np.float32)
    kind = "int" if data.get("PixelRepresentation") else "uint"
    bits = max(8, int(data.BitsAllocated))
    return np.dtype(f"{kind}{bits}")


def unit_of(data: Dataset) -> str:
    """Hounsfield units for computed tomography, gray for a dose; other modalities name none that is
    safe to rely on."""
    if data.get("SOPClassUID") == _DOSE:
        return "Gy" if data.get("DoseUnits") == "GY" else ""
    if data.get("RescaleType") == "HU" or data.get("Modality") == "CT":
        return "HU"
    return ""
