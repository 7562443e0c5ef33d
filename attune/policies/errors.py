"""What goes wrong while a policy is trained, in words that say what to change."""

from __future__ import annotations

import errno

from attune.errors import AttuneError

DISK_FULL = (errno.ENOSPC, errno.EDQUOT)


class PolicyError(AttuneError):
    """Base of every error of this package; its text is fit to show to a person."""


class BaseModelError(PolicyError):
    """The base model or its tokenizer cannot be used: not found, unsafe format, no chat template."""


class AdapterMismatch(PolicyError):
    """An adapter was made for another base model."""


class OutOfMemory(PolicyError):
    """The batch did not fit."""


class DiskFull(PolicyError):
    """There was no space for a checkpoint or the result."""


def translated(error: BaseException) -> BaseException:
    """The same error in our words where it is one that people can do something about; otherwise itself."""
    text = str(error)
    if isinstance(error, AttuneError):
        return error
    if isinstance(error, MemoryError) or "out of memory" in text.lower() or "can't allocate memory" in text:
        return OutOfMemory(
            "The training ran out of memory. Choose a smaller batch (and as many accumulated steps more), a shorter"
            " max_length, recompute, lora in place of full weights, or a smaller base model."
        )
    full = isinstance(error, OSError) and error.errno in DISK_FULL
    if full or "No space left on device" in text or "os error 28" in text:
        return DiskFull("There is no space left on the disk for a checkpoint or the result. Free some and start again.")
    return error
