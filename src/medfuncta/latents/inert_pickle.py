"""Reading tensors out of a file that ``torch.save`` wrote, without running anything that stands in
it.

A pickle is a program: it names functions and calls them. Here every name means an inert stand-in
    that keeps what it was given and does
nothing, but for the few that rebuild a tensor from its numbers, which are our own. So a pickled
module becomes a tree of stand-ins whose state can be looked at, and a hostile pickle becomes a tree
that holds no tensor.
"""

from __future__ import annotations

import io
import pickle
import zipfile
from collections import OrderedDict
from math import prod
from pathlib import Path
from typing import Any, Final

import torch

from medfuncta.door.files import Origin, open_regular, reason
from medfuncta.door.wording import shortened
from medfuncta.errors import LatentSetError

_STORAGES: Final = {
    "FloatStorage": torch.float32,
    "DoubleStorage": torch.float64,
    "HalfStorage": torch.float16,
    "BFloat16Storage": torch.bfloat16,
    "LongStorage": torch.int64,
    "IntStorage": torch.int32,
    "ShortStorage": torch.int16,
    "CharStorage": torch.int8,
    "ByteStorage": torch.uint8,
    "BoolStorage": torch.bool,
}
_PICKLE_MEMBER: Final = "data.pkl"


class StandIn:
    """An object of a class that was not loaded; ``state`` holds its attributes."""

    state: Any = None

    def __init__(self, *arguments: Any, **options: Any) -> None:
        del arguments, options

    def __setstate__(self, state: Any) -> None:
        self.state = state


def load_inert(path: Path) -> Any:
    """What ``torch.save`` wrote: tensors, plain Python data, and a :class:`StandIn` for any other
    object.

    Raises:
        LatentSetError: If the file is no such archive, is damaged, or is in the format before
            PyTorch 1.6.
    """
    origin = Origin(path.name, LatentSetError, "give a file that torch.save wrote")
    try:
        with open_regular(path, origin) as file, zipfile.ZipFile(file) as archive:
            return _Reader(archive).load()
    except LatentSetError:
        raise
    except zipfile.BadZipFile as error:
        raise LatentSetError(
            f"{path.name} is not a file of torch.save since PyTorch 1.6 ({error}); save it again "
            "with a newer PyTorch or copy it again"
        ) from error
    except Exception as error:  # a hostile or damaged pickle can fail in any way it likes
        line = shortened(reason(error))
        raise LatentSetError(
            f"{path.name} is damaged or holds something other than tensors ({line}); copy it again"
        ) from error


class _Reader(pickle.Unpickler):
    def __init__(self, archive: zipfile.ZipFile) -> None:
        self._archive = archive
        names = [name for name in archive.namelist() if name.rpartition("/")[2] == _PICKLE_MEMBER]
        if len(names) != 1:
            raise ValueError(f"{len(names)} members named {_PICKLE_MEMBER}, expected 1")
        self._prefix = names[0].removesuffix(_PICKLE_MEMBER)
        self._storages: dict[str, torch.Tensor] = {}
        super().__init__(io.BytesIO(self._member(_PICKLE_MEMBER)), encoding="utf-8")

    def _member(self, name: str) -> bytes:
        info = self._archive.getinfo(self._prefix + name)
        if (
            info.compress_type != zipfile.ZIP_STORED
        ):  # torch.save never compresses, and a small file must not become a huge one
            raise ValueError(f"the member {name} is compressed")
        return self._archive.read(info)

    def find_class(self, module_name: str, global_name: str, /) -> Any:
        """Never imports anything. Bound methods are handed out, since a pickle cannot change
        those."""
        match module_name, global_name:
            case "torch._utils", "_rebuild_tensor_v2":
                return self._rebuild_tensor
            case "torch._utils", "_rebuild_parameter" | "_rebuild_parameter_with_state":
                return self._rebuild_parameter
            case "collections", "OrderedDict":
                return OrderedDict
            case "torch" | "torch.cuda", name if name in _STORAGES:
                return name
        return type(
            "StandIn", (StandIn,), {}
        )  # a class of its own, so that nothing done to it reaches another

    def persistent_load(self, pid: Any, /) -> torch.Tensor:
        """The numbers of one storage, ``("storage", kind, key, location, count)``, as a flat
        tensor."""
        _, kind, key, _, _ = pid
        if key not in self._storages:
            self._storages[key] = torch.frombuffer(
                bytearray(self._member(f"data/{key}")) or bytearray(8), dtype=_STORAGES[kind]
            )
        return self._storages[key]

    def _rebuild_tensor(
        self,
        storage: torch.Tensor,
        offset: int,
        size: tuple[int, ...],
        stride: tuple[int, ...],
        *_: Any,
    ) -> torch.Tensor:
        if prod(size) > storage.numel():
            raise ValueError(
                f"a tensor of {prod(size)} numbers over a storage of {storage.numel()}"
            )
        return torch.as_strided(storage, size, stride, offset)

    def _rebuild_parameter(self, tensor: torch.Tensor, *_: Any) -> torch.Tensor:
        return tensor


def state_of(module: Any, prefix: str = "") -> dict[str, torch.Tensor]:
    """The parameters and buffers of an inert module by dotted name, as its ``state_dict`` would
    give them."""
    state = module.state if isinstance(module, StandIn) and isinstance(module.state, dict) else {}
    tensors = {
        f"{prefix}{name}": tensor
        for kind in ("_parameters", "_buffers")
        for name, tensor in state.get(kind, {}).items()
        if isinstance(tensor, torch.Tensor)
    }
    for name, child in state.get("_modules", {}).items():
        tensors.update(state_of(child, f"{prefix}{name}."))
    return tensors
