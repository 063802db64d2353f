"""Every random number generator that a rank draws from: started, remembered and set back."""

import hashlib
import random

import numpy as np
import torch


def set_seeds(seed: int) -> None:
    """Start the generators of python, numpy and torch from `seed`."""
    random.seed(seed)
    np.random.seed(seed % 2**32)
    torch.manual_seed(seed)


def set_seeds_at(seed: int, step: int, rank: int) -> None:
    """Start them for a rank that goes on after `step` steps with no state of its own: the same for the same three
    numbers.
    """
    set_seeds(int.from_bytes(hashlib.sha256(f"{seed} {step} {rank}".encode()).digest()[:7], "big"))


def random_state() -> dict:
    """Where every random number generator of this process stands."""
    cuda = torch.cuda.get_rng_state_all() if torch.cuda.is_available() else []
    return {"python": random.getstate(), "numpy": np.random.get_state(), "torch": torch.get_rng_state(), "cuda": cuda}


def set_random_state(state: dict) -> None:
    """Set them back; a GPU that had no part in `state` keeps its own."""
    random.setstate(state["python"])
    np.random.set_state(state["numpy"])
    torch.set_rng_state(state["torch"])
    for device, cuda in zip(range(torch.cuda.device_count()), state["cuda"]):
        torch.cuda.set_rng_state(cuda, device)
