"""Folders from a hub and to it, through ``huggingface_hub``.

A download is held against what the hub says of the commit before its first byte and after its last:
only files of ours are asked for, each within its limit, and each must have the checksum that git,
or Git LFS, knows it by. What was taken from where goes with it (:class:`Download`). Where the hub
cannot be reached, what an earlier download has left in the cache is taken.

Requests, tokens and the cache are those of ``huggingface_hub``; ``HF_ENDPOINT`` names another
server that speaks as the Hub does.
"""

from __future__ import annotations

import os
import re
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, Literal, TypeAlias

from medfuncta._src.door.files import reason
from medfuncta._src.door.wording import counted, shortened
from medfuncta._src.errors import MedFunctaError, missing_extra
from medfuncta._src.hub.checksums import RemoteFile, digests, verified

if TYPE_CHECKING:
    from huggingface_hub import HfApi

Kind: TypeAlias = Literal["model", "dataset"]
"""What a repository holds, in the hub's words: a run is a model, a latent set a dataset."""
_REPOSITORY: Final = re.compile(r"[A-Za-z0-9][\w.-]{0,95}/[A-Za-z0-9][\w.-]{0,95}", re.ASCII)
_REVISION: Final = re.compile(r"[A-Za-z0-9][A-Za-z0-9._/-]{0,254}", re.ASCII)
_COMMIT: Final = re.compile(r"[0-9a-f]{40}", re.ASCII)
_HUB: Final = "https://huggingface.co"
_TELLING: Final[Mapping[Kind, str]] = {"model": "field.json", "dataset": "latent_set.json"}
"""A file that every repository of a kind has."""
_MOST_FILES: Final = 10_000
"""Of a repository that are looked at."""


@dataclass(frozen=True)
class Download:
    """What came from where.

    Args:
        repository: ``owner/name``.
        kind: What it holds.
        endpoint: The server.
        revision: What was asked for; ``""`` for the newest.
        commit: What that was, 40 hexadecimal digits.
        files: The checksum of every file by name, ``sha256:...``.
    """

    repository: str
    kind: Kind
    endpoint: str
    revision: str
    commit: str
    files: Mapping[str, str]

    def to_dict(self) -> dict[str, Any]:
        """As plain data, for a run or a file beside what was downloaded."""
        return asdict(self)


def is_repository(text: str) -> bool:
    """Whether a text has the form ``owner/name``.

    >>> is_repository("someone/ecg-field"), is_repository("../ecg"), is_repository("a/b/c")
    (True, False, False)
    """
    return _REPOSITORY.fullmatch(text) is not None and ".." not in text


def download(
    repository: str,
    kind: Kind,
    limit_of: Callable[[str], int | None],
    *,
    revision: str | None = None,
    cache: Path | None = None,
) -> tuple[Path, Download]:
    """The folder of a repository in the cache, with those of its files that are wanted, whole and
    of the right checksum.

    Args:
        repository: ``owner/name``.
        kind: What it holds.
        limit_of: The most bytes that a file of this name may have; None for one that is not wanted.
        revision: A branch, a tag or a commit; the newest commit of the main branch when None.
        cache: The folder of downloads; that of ``huggingface_hub`` when None.

    Raises:
        MedFunctaError: If the name or the revision is not one, or not there; the hub cannot be
            reached and nothing of an earlier download is there; a file is larger than its limit, or
            arrives with another checksum.
    """
    _check_names(repository, revision)
    api = _api()
    try:
        with _told(repository, revision):
            commit, files = _listing(api, repository, kind, limit_of, revision)
    except _Unreachable as unreachable:
        kept = _kept(repository, kind, revision, cache)
        if kept is None:
            raise MedFunctaError(str(unreachable)) from unreachable
        return _found(kept, repository, kind, limit_of, revision)
    checksums = {}
    folder = None
    for file in files:
        with _told(repository, revision):
            path = _fetched(file, repository, kind, revision, cache)
        checksums[file.name] = verified(path, file)
        folder = _root(path, file.name)
        if folder.name != commit:
            raise MedFunctaError(f"'{repository}' has changed meanwhile; run it again")
    if folder is None:
        raise MedFunctaError(
            f"'{repository}' holds no file of MedFuncta; give a repository that push_to_hub made"
        )
    said = Download(repository, kind, _endpoint(), revision or "", commit, checksums)
    return folder, said


def upload(
    folder: Path,
    repository: str,
    kind: Kind,
    *,
    private: bool | None = None,
    branch: str | None = None,
    message: str,
) -> str:
    """Push a folder as one commit; the repository is made where it is missing.

    Args:
        folder: What to push, all of it.
        repository: ``owner/name``.
        kind: What it holds.
        private: Whether a repository that is made is; as the owner's settings say when None.
        branch: Where to; it is made when missing. The main branch when None.
        message: Of the commit.

    Returns:
        The hub's address of the commit.

    Raises:
        MedFunctaError: If the name is not one, the hub cannot be reached, or does not take it.
    """
    _check_names(repository, branch)
    api = _api()
    with _told(repository, branch):
        api.create_repo(repository, repo_type=kind, private=private, exist_ok=True)
        if branch is not None:
            api.create_branch(repository, repo_type=kind, branch=branch, exist_ok=True)
        commit = api.upload_folder(
            repo_id=repository,
            repo_type=kind,
            folder_path=folder,
            revision=branch,
            commit_message=message,
        )
    return str(commit.commit_url)


class _Unreachable(MedFunctaError):
    """The hub did not answer."""


def _check_names(repository: str, revision: str | None) -> None:
    if not is_repository(repository):
        raise MedFunctaError(
            f"'{shortened(repository, 60)}' is no name of a repository; expected owner/name, of "
            "letters, digits, dots, dashes and underscores"
        )
    if revision is not None and (not _REVISION.fullmatch(revision) or ".." in revision):
        raise MedFunctaError(
            f"the revision '{shortened(revision, 60)}' is none; expected a branch, a tag or a "
            "commit"
        )


def _endpoint() -> str:
    """The server that is asked."""
    return os.environ.get("HF_ENDPOINT", "").rstrip("/") or _HUB


def _api() -> HfApi:
    try:
        from huggingface_hub import HfApi
    except ImportError as error:
        raise missing_extra("huggingface_hub", "hub") from error
    return HfApi(endpoint=_endpoint(), library_name="medfuncta")


@contextmanager
def _told(repository: str, revision: str | None) -> Iterator[None]:
    """Within, what the hub's client raises is said in one line.

    Raises:
        _Unreachable: If the hub did not answer.
        MedFunctaError: If it said no.
    """
    from huggingface_hub import errors

    at = f"'{repository}' at {shortened(_endpoint(), 60)}"
    try:
        yield
    except MedFunctaError:
        raise
    except errors.RevisionNotFoundError as error:
        raise MedFunctaError(
            f"no revision '{revision or 'main'}' of {at}; give a branch, a tag or a commit of it"
        ) from error
    except errors.GatedRepoError as error:
        raise MedFunctaError(
            f"{at} asks for its terms to be accepted first; do so on its page, and log in with "
            "'hf auth login'"
        ) from error
    except errors.RepositoryNotFoundError as error:
        raise MedFunctaError(
            f"no repository {at}, or none for you; check the name, or log in with 'hf auth login'"
        ) from error
    except errors.EntryNotFoundError as error:
        raise _Unreachable(f"a file of {at} did not arrive; run it again") from error
    except errors.HfHubHTTPError as error:
        status = getattr(getattr(error, "response", None), "status_code", 0) or 0
        line = f"the hub refused {at} (HTTP {status}: {shortened(reason(error), 120)})"
        if status >= 500:
            raise _Unreachable(f"{line}; try again later") from error
        raise MedFunctaError(f"{line}; check your token and rights there") from error
    except Exception as error:  # the client's own, and those of the network library below it
        raise _Unreachable(
            f"the hub did not answer for {at} ({shortened(reason(error), 120)}); check the "
            "connection and HF_ENDPOINT, and run it again"
        ) from error


def _listing(
    api: HfApi,
    repository: str,
    kind: Kind,
    limit_of: Callable[[str], int | None],
    revision: str | None,
) -> tuple[str, list[RemoteFile]]:
    """The commit and the wanted files of a repository.

    Raises:
        MedFunctaError: If one has more bytes than its limit, or is not described.
    """
    info = api.repo_info(repository, repo_type=kind, revision=revision, files_metadata=True)
    commit = str(info.sha)
    if not _COMMIT.fullmatch(commit):
        raise MedFunctaError(f"the hub names no commit of '{repository}'; check HF_ENDPOINT")
    siblings = getattr(info, "siblings", None) or []
    if len(siblings) > _MOST_FILES:
        raise MedFunctaError(
            f"'{repository}' holds {counted(len(siblings), 'file')}; expected at most "
            f"{_MOST_FILES:,}"
        )
    files = []
    for sibling in siblings:
        name = str(sibling.rfilename)
        limit = limit_of(name)
        if limit is None:
            continue
        lfs = sibling.lfs
        size = lfs.size if lfs is not None else sibling.size
        sha256 = str(lfs.sha256) if lfs is not None else ""
        git = "" if lfs is not None else str(sibling.blob_id or "")
        if not isinstance(size, int) or not (sha256 or git):
            raise MedFunctaError(
                f"the hub does not say size and checksum of {shortened(name, 60)} in "
                f"'{repository}'; check HF_ENDPOINT"
            )
        if not 0 <= size <= limit:
            raise MedFunctaError(
                f"{shortened(name, 60)} in '{repository}' has {size:,} bytes; expected at most "
                f"{limit:,}"
            )
        files.append(RemoteFile(name, size, git, sha256))
    return commit, files


def _fetched(
    file: RemoteFile, repository: str, kind: Kind, revision: str | None, cache: Path | None
) -> Path:
    """The path of a file in the cache, downloaded where it is not there.

    The client names a file of its cache by the checksum (ETag) that the server answers with, which
    is therefore looked at first.

    Raises:
        MedFunctaError: If it is not the one that the hub states.
    """
    from huggingface_hub import get_hf_file_metadata, hf_hub_download, hf_hub_url

    url = hf_hub_url(repository, file.name, repo_type=kind, revision=revision, endpoint=_endpoint())
    stated = get_hf_file_metadata(url, endpoint=_endpoint()).etag
    if stated != (file.sha256 or file.git):
        raise MedFunctaError(
            f"{shortened(file.name, 60)} of '{repository}' has another checksum "
            f"({shortened(str(stated), 12)}) than the hub states; check HF_ENDPOINT, or run it "
            "again"
        )

    return Path(
        hf_hub_download(
            repository,
            file.name,
            repo_type=kind,
            revision=revision,
            cache_dir=cache,
            endpoint=_endpoint(),
            library_name="medfuncta",
        )
    )


def _root(path: Path, name: str) -> Path:
    """The folder that a name of the repository is below of."""
    return path.parents[name.count("/")]


def _kept(repository: str, kind: Kind, revision: str | None, cache: Path | None) -> Path | None:
    """The folder that an earlier download of this revision has left; None where there is none."""
    from huggingface_hub import try_to_load_from_cache

    path = try_to_load_from_cache(
        repository, _TELLING[kind], cache_dir=cache, revision=revision, repo_type=kind
    )
    if not isinstance(path, str):
        return None
    return Path(path).parent


def _found(
    folder: Path,
    repository: str,
    kind: Kind,
    limit_of: Callable[[str], int | None],
    revision: str | None,
) -> tuple[Path, Download]:
    """An earlier download, whose files are named by their checksums where the system has links.

    Raises:
        MedFunctaError: If one is not what it was.
    """
    checksums = {}
    for path in sorted(folder.rglob("*")):
        name = path.relative_to(folder).as_posix()
        if limit_of(name) is None or not path.is_file():
            continue
        blob = path.resolve().name
        sha256, git, size = digests(path)
        if path.is_symlink() and blob not in (sha256, git):
            verified(path, RemoteFile(name, size, "", blob))
        checksums[name] = f"sha256:{sha256}"
    said = Download(repository, kind, _endpoint(), revision or "", folder.name, checksums)
    return folder, said
