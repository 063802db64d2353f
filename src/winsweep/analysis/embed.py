"""Which model turns texts into vectors. The only file that imports sentence_transformers."""

from collections.abc import Callable

import numpy as np

from winsweep.errors import BadData, MissingInput


def embedder(name: str, revision: str | None = None, batch: int = 32) -> Callable[[list[str]], np.ndarray]:
    """An embedder by a sentence-transformers model, from the hub or a directory: texts to float32 vectors (N, D) of length 1.

    On the GPU if there is one. Texts get no prefix and lose what does not fit into the model, as in the paper. MissingInput without
    the package, BadData without the model; both say what to type.
    """
    try:
        from sentence_transformers import SentenceTransformer  # an extra: only the analysis of drift needs it
    except ImportError:
        raise MissingInput("drift: the package sentence-transformers is not installed; type pip install 'winsweep[analysis]'") from None
    try:
        model = SentenceTransformer(name, revision=revision, trust_remote_code=False)
    except (OSError, ValueError) as e:
        why = " ".join(str(e).split())
        raise BadData(f"embedder {name}: cannot be loaded ({why}); legal is a sentence-transformers model without code of its own, "
                      "on the hub or in a directory; where compute nodes are offline, fetch it once on a login node: "
                      f"hf download {name}") from e

    def embed(texts: list[str]) -> np.ndarray:
        return model.encode(texts, batch_size=batch, prompt="", normalize_embeddings=True, convert_to_numpy=True, show_progress_bar=False)

    return embed


def counted(embed: Callable[[list[str]], np.ndarray], told: Callable[[int], None]) -> Callable[[list[str]], np.ndarray]:
    """`embed`, which tells after each call how many texts it was given so far."""
    done = 0

    def embed_and_tell(texts: list[str]) -> np.ndarray:
        nonlocal done
        found = embed(texts)
        done += len(texts)
        told(done)
        return found

    return embed_and_tell
