"""What turns texts into vectors. The only file that imports sentence_transformers."""

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from winsweep.errors import BadData, NotFound, Unreachable
from winsweep.study.cell import HubModel
from winsweep.text import hub
from winsweep.text.hub import refuse_outside_weights
from winsweep.text.weights import read_report, refuse

if TYPE_CHECKING:
    from sentence_transformers import SentenceTransformer


def embedder_of(source: Mapping[str, Any], file: Callable[[Mapping], Path]) -> Callable[[list[str]], np.ndarray]:
    """The embedder that a parameter names: of the hub, of a directory (where `file` says it lies), or character
    n-grams.
    """
    if "num_features" in source:
        return char_ngrams(source["num_features"])
    return embedder(str(file(source))) if "sha256" in source else embedder(source["hf_id"], source["revision"])


def char_ngrams(num_features: int) -> Callable[[list[str]], np.ndarray]:
    """An embedder that needs no model: counts of 2 to 5 characters within words, hashed to `num_features`; blind to
    what words mean.
    """
    from sklearn.feature_extraction.text import HashingVectorizer

    count = HashingVectorizer(
        analyzer="char_wb",
        ngram_range=(2, 5),
        n_features=num_features,
        norm="l2",
        alternate_sign=False,
        dtype=np.float32,
    )
    # An empty text has no n-gram and would have no direction; a word that all texts share gives it one.
    return lambda texts: count.transform([f"{text} ." for text in texts]).toarray()


def embedder(name: str, revision: str | None = None, batch: int = 32) -> Callable[[list[str]], np.ndarray]:
    """An embedder by a sentence-transformers model, from the hub or a directory: texts to float32 vectors (N, D) of
    length 1.

    On the GPU if there is one. Texts get no prefix and lose what does not fit into the model, as in the paper. NotFound
    without the package, BadData without the model, Unreachable while the hub is away; all say what to type.
    """
    try:
        from sentence_transformers import SentenceTransformer  # an extra: only the analysis of drift needs it
    except ImportError:
        raise NotFound(
            "drift: the package sentence-transformers is not installed; "
            "type pip install -e '.[analysis]' in the checkout"
        ) from None
    refuse_outside_weights(name, revision)
    try:
        model = SentenceTransformer(name, revision=revision, trust_remote_code=False)
    except (OSError, ValueError) as e:
        why = " ".join(str(e).split())
        raise (Unreachable if hub.is_away(e) else BadData)(
            f"embedder {name}: cannot be loaded ({why}); legal is a sentence-transformers model without code of its "
            f"own, "
            "on the hub or in a directory; where compute nodes are offline, fetch it once on a login node: "
            f"hf download {name}"
        ) from e
    _refuse_drawn(name, revision, model)

    def embed(texts: list[str]) -> np.ndarray:
        return model.encode(
            texts,
            batch_size=batch,
            prompt="",
            normalize_embeddings=True,
            convert_to_numpy=True,
            show_progress_bar=False,
        )

    return embed


def _refuse_drawn(name: str, revision: str | None, model: "SentenceTransformer") -> None:
    """BadData if a weight of the embedder's transformer is not in its files, but for a pooler's, which nothing of it
    uses.
    """
    inside = model[0].auto_model
    folder = hub.folder_of(HubModel(name, revision)) if revision else Path(name)
    found = read_report(folder, inside.config, type(inside))
    refuse(name, [m for m in found.missing if "pooler" not in m], found.wrong)


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
