"""What a process that opens files of strangers may take."""

from __future__ import annotations

__all__ = ["bound"]


def bound(memory: int) -> bool:
    """Bound this process for good: it writes no file, leaves no core and takes at most so many bytes of memory.

    False where the system does not limit memory (macOS): files and core are bound even so.
    """
    import resource

    resource.setrlimit(resource.RLIMIT_FSIZE, (0, 0))
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    try:
        given = resource.getrlimit(resource.RLIMIT_AS)[1]
        most = memory if given == resource.RLIM_INFINITY else min(given, memory)
        resource.setrlimit(resource.RLIMIT_AS, (most, most))
    except (AttributeError, OSError, ValueError):
        return False
    return True
