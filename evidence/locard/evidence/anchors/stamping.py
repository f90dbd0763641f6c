"""Time stamps on checkpoints, by an authority of RFC 3161."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import datetime
from pathlib import Path
from typing import Final

from cryptography import x509
from rfc3161_client import (
    PKIStatus,
    TimestampRequestBuilder,
    VerificationError,
    VerifierBuilder,
    decode_timestamp_response,
)

from locard.evidence.anchors.http import Post
from locard.evidence.log_files import LogFiles
from locard.evidence.notes import Checkpoint
from locard.schema import CannotContinue

DIRECTORY: Final = "timestamps"
_QUERY: Final = "application/timestamp-query"
_OK: Final = 200


def stamp(checkpoint: Checkpoint, url: str, files: LogFiles, post: Post) -> None:
    """Have an authority stamp a checkpoint, and keep what it answers beside the log.

    Raises:
        CannotContinue: it does not, or the answer cannot be kept.
    """
    request = TimestampRequestBuilder().data(checkpoint.text.encode()).build()
    status, body = post(url, request.as_bytes(), _QUERY)
    try:
        response = decode_timestamp_response(body)
        is_granted = status == _OK and response.status in (
            PKIStatus.GRANTED,
            PKIStatus.GRANTED_WITH_MODS,
        )
    except ValueError:
        is_granted = False
    if not is_granted:
        raise CannotContinue(f"the authority at {url} gives no time stamp (status {status})")
    try:
        files.write(f"{DIRECTORY}/{checkpoint.size:012}.tsr", body)
    except OSError as error:
        raise CannotContinue(f"{files}: a time stamp cannot be kept: {error.strerror}") from error


def kept_stamps(files: LogFiles) -> Iterator[tuple[int, bytes]]:
    """Yield the size of the log and the answer of each stamp that was kept."""
    for path in files.listed(DIRECTORY):
        name = path.rpartition("/")[2].removesuffix(".tsr")
        if name.isdigit():
            yield int(name), files.read(path)


def stamped_at(
    response: bytes, checkpoint: Checkpoint, certificates: Sequence[Path]
) -> datetime | None:
    """Return when a checkpoint was stamped, `None` where that is not its stamp.

    Args:
        certificates: PEM files of roots of authorities.

    Raises:
        CannotContinue: a certificate cannot be read.
    """
    for path in certificates:
        try:
            roots = x509.load_pem_x509_certificates(path.read_bytes())
        except (OSError, ValueError) as error:
            raise CannotContinue(
                f"the certificate {path} cannot be read: {error}; correct the trust policy"
            ) from error
        builder = VerifierBuilder()
        for certificate in roots:
            builder = builder.add_root_certificate(certificate)
        try:
            told = decode_timestamp_response(response)
            if builder.build().verify_message(told, checkpoint.text.encode()):
                return told.tst_info.gen_time
        except (VerificationError, ValueError):
            continue
    return None
