"""The most memory that tensors take at one time, counted by PyTorch's allocator: the same number on
every machine and in every run."""

from __future__ import annotations

from collections.abc import Callable

from torch.autograd.profiler import profile


def peak_bytes(work: Callable[[], object]) -> int:
    """Bytes above those that were allocated before ``work`` began; temporaries inside PyTorch's own
    kernels count too."""
    with profile(profile_memory=True, use_kineto=True) as record:
        result = work()
    del result
    assert record.kineto_results is not None
    now = peak = 0
    for event in record.kineto_results.events():  # in order of time
        if event.name() == "[memory]":
            now += event.nbytes()
            peak = max(peak, now)
    return peak
