"""Whether a file is of a type that is wanted: by what the server says it is, and by how it begins."""

from __future__ import annotations

from pdl.errors import Kind

from .fault import TransferError
from .magic import LONGEST, PROVEN, media_type
from .markup import HTML
from .media import UNTOLD, common_name, covers, essence, possible_names

_BYTES = "application/octet-stream"
_PROVEN = PROVEN.union(*map(possible_names, PROVEN))


class Inspection:
    """Looks at the beginning of one file, however small its pieces are.

    Args:
        accepted: media ranges, one of which the file must be in.
        content_type: what the server says.
        coded: the bytes are kept in a coding, which hides what Content-Type speaks of.

    Raises:
        TransferError: CONTENT_TYPE, for a file that the server itself says to be something else.
    """

    def __init__(self, accepted: tuple[str, ...], content_type: str | None, *, coded: bool = False) -> None:
        self._accepted = accepted
        self._coded = coded
        self._beginning = b""
        said = essence(content_type)
        self._said = None if said in UNTOLD and said not in accepted else said
        if self._said is not None and not covers(accepted, self._said):
            raise self._fault(f"the server says that the file is {self._said[:60]}")

    def feed(self, data: bytes) -> bool:
        """Take a piece of the file; True once it is known to be wanted.

        Raises:
            TransferError: CONTENT_TYPE.
        """
        self._beginning += data[: LONGEST - len(self._beginning)]
        found = media_type(self._beginning)
        if found is None and len(self._beginning) < LONGEST:
            return False
        self._judge(found)
        return True

    def end(self) -> None:
        """The file has no more bytes.

        Raises:
            TransferError: CONTENT_TYPE.
        """
        self._judge(media_type(self._beginning))

    def _judge(self, found: str | None) -> None:
        if self._said is None:
            if not covers(self._accepted, found or _BYTES):
                told = f"it begins as {found}" if found else "its beginning does not tell either"
                raise self._fault(f"the server does not say what the file is, and {told}")
        elif not self._agrees(self._said, found):
            told = f"it begins as {found}" if found else "it does not begin as one"
            raise self._fault(f"the server says that the file is {self._said[:60]}, but {told}")

    def _agrees(self, said: str, found: str | None) -> bool:
        if found == HTML:
            return said.startswith("text/") or "html" in said
        if self._coded or common_name(said) not in _PROVEN:
            return True
        return found is not None and any(covers(self._accepted, name) for name in possible_names(found))

    def _fault(self, what: str) -> TransferError:
        return TransferError(Kind.CONTENT_TYPE, f"{what}; --accept wants {', '.join(self._accepted)[:100]}")
