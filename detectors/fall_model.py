"""The fall classifier: from windows around impacts to how sure it is of a fall.

A model is one file of plain arrays, `detectors/models/falls_<placement>.npz`, which
`wardlight train falls` writes: kernels, a small network, its operating point. The manifest beside
it holds the SHA-256 of each file: a file that is not the one that was measured is refused.
"""

from __future__ import annotations

import functools
import hashlib
import io
import json
import zipfile
from collections.abc import Iterator
from dataclasses import dataclass, fields
from importlib import resources
from pathlib import Path
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from contract.screen import MOTION_HZ, SCREEN_IMPACT_G, known_placement
from detectors.convolution import Convolution, KernelBank
from detectors.fall_features import (
    LAYOUT,
    NAMES,
    SPAN,
    UPRIGHT_S,
    arrange,
    channels,
    described,
    span,
)

MODEL_OF: Final = {"wrist": "wrist", "waist": "waist", "pendant": "waist"}
"""Which model a placement uses. A pendant hangs on the trunk, and no public set has falls with
one: the belt's model is the nearest there is."""

MANIFEST: Final = "manifest.json"
"""Beside the models: file name to SHA-256."""

FORMAT: Final = 1
"""Of the file; others are refused."""

CLIP: Final = 4.0
"""Standardised features are limited to ±4: what training never saw must not outvote the rest."""

BATCH: Final = 256
"""Windows that are scored at a time; more need memory and bring no speed."""

LITTLE: Final = 1_000_000
"""Multiplications up to which OpenBLAS multiplies matrices as they lie. Of larger ones it makes
copies first, which for few windows takes longer than the product: the weights are 1 MB."""

FEW: Final = 8
"""Up to so many windows the network is taken in parts that are `LITTLE`, for five in less than half
of the time; with twenty nothing is gained."""

MOST_GRAVITY_G: Final = 1.8
"""Mean acceleration before an impact beyond which it is not judged: in the 1.2 s over which it is
read a body would gain more than 9 m/s. It is a sensor with a stuck axis or a wrong scale."""

LEAST_JERK_G_PER_S: Final = 5.0
"""To climb from rest at 1 g to the screen in a sixth of a second takes this much. What is beyond
the screen without such a climb is a ride, or a sensor, and no impact. Soft falls climb at 10 g/s
and less: a limit there found or missed them by the phase of the samples."""

_JERK: Final = span((-0.4, 0.4))
"""Knee, hip and hand hit within less than half a second."""
_UPRIGHT: Final = span(UPRIGHT_S)


class ModelError(ValueError):
    """A model's file is missing, is not the one that was measured, or cannot be."""


@dataclass(frozen=True, kw_only=True)
class FallModel:
    """Kernels, the network behind them, and the operating point.

    The network has one layer of hidden units (ReLU); those of all seeds stand side by side and
    the output adds up to their mean.
    """

    placement: str
    """A value of `MODEL_OF`."""
    threshold: float
    """Score from which an impact is a suspected fall, 0 to 1."""
    screen_g: float
    """Peak |a| from which it was trained to be asked."""
    bank: KernelBank
    mean: NDArray[np.float32]
    """Of each feature in training, shape (features,): `fall_features.NAMES`, then the bank's."""
    scale: NDArray[np.float32]
    """Standard deviations, likewise."""
    hidden_weight: NDArray[np.float32]
    """Shape (hidden, features)."""
    hidden_bias: NDArray[np.float32]
    """Shape (hidden,)."""
    output_weight: NDArray[np.float32]
    """Shape (hidden,)."""
    output_bias: float

    def __post_init__(self) -> None:
        for fault in self._faults():
            raise ModelError(f"a fall model that cannot be: {fault}")

    def _faults(self) -> Iterator[str]:
        yield from self.bank.faults()
        features, hidden = len(NAMES) + self.bank.features, len(self.hidden_bias)
        shapes = {
            "mean": (features,),
            "scale": (features,),
            "hidden_weight": (hidden, features),
            "hidden_bias": (hidden,),
            "output_weight": (hidden,),
            "output_bias": (),
            "screen_g": (),
        }
        for name, shape in shapes.items():
            values = np.asarray(getattr(self, name))
            if values.shape != shape:
                yield f"{name} has shape {values.shape}, not {shape}"
            if not np.isfinite(values).all():
                yield f"{name} is not finite"
        if not (self.scale > 0).all():
            yield "scale is not positive"
        if not 0 < self.threshold < 1:
            yield f"a threshold of {self.threshold} is none"
        if self.placement not in MODEL_OF.values():
            yield f"there is no model for {self.placement!r}"

    def score(self, motion: NDArray[np.float32], valid: NDArray[np.bool_]) -> NDArray[np.float64]:
        """How sure it is of a fall in each window.

        Parameters
        ----------
        motion
            Shape (n, 3, SPAN), in g, low-passed, the impact at `fall_features.IMPACT_INDEX`.
        valid
            Shape (n, SPAN).

        Returns
        -------
        NDArray
            0 to 1, shape (n,); 0 where nothing hit, or nothing can be believed
            (`LEAST_JERK_G_PER_S`, `MOST_GRAVITY_G`).
        """
        _check(motion, valid)
        out = np.empty(len(motion))
        for first in range(0, len(motion), BATCH):
            part = slice(first, first + BATCH)
            vector = arrange(motion[part], valid[part])
            channel = channels(vector)
            with np.errstate(over="ignore"):
                sure = 1 / (1 + np.exp(-self._network(self._features(vector, channel))))
            out[part] = np.where(_is_impact(vector, channel), sure, 0)
        return out

    def features(
        self, motion: NDArray[np.float32], valid: NDArray[np.bool_]
    ) -> NDArray[np.float32]:
        """What the network sees, before it is standardised: shape (n, features)."""
        return window_features(self._convolution, motion, valid)

    @functools.cached_property
    def _convolution(self) -> Convolution:
        return Convolution(self.bank)

    def _features(
        self, vector: NDArray[np.float32], channel: NDArray[np.float32]
    ) -> NDArray[np.float32]:
        return np.concatenate([described(vector, channel), self._convolution.features(channel)])

    def _network(self, features: NDArray[np.float32]) -> NDArray[np.float64]:
        """Log odds of windows (features, n), shape (n,)."""
        features -= self.mean[:, None]
        features /= self.scale[:, None]
        np.maximum(features, np.float32(-CLIP), out=features)
        np.minimum(features, np.float32(CLIP), out=features)
        hidden = np.empty((len(self.hidden_bias), features.shape[1]), np.float32)
        units = len(hidden)
        if features.shape[1] <= FEW:
            units = min(units, LITTLE // features.size)
        for first in range(0, len(hidden), units):
            part = slice(first, first + units)
            np.matmul(self.hidden_weight[part], features, out=hidden[part])
        hidden += self.hidden_bias[:, None]
        np.maximum(hidden, 0, out=hidden)
        return (self.output_weight @ hidden).astype(np.float64) + self.output_bias


def window_features(
    convolution: Convolution, motion: NDArray[np.float32], valid: NDArray[np.bool_]
) -> NDArray[np.float32]:
    """Features of windows, for training: by hand, then the convolution's.

    Parameters
    ----------
    convolution
        The bank that is being trained for.
    motion, valid
        As for `FallModel.score`.

    Returns
    -------
    NDArray
        Shape (n, features), `fall_features.NAMES` first.
    """
    _check(motion, valid)
    out = np.empty((len(motion), len(NAMES) + convolution.bank.features), np.float32)
    for first in range(0, len(motion), BATCH):
        part = slice(first, first + BATCH)
        vector = arrange(motion[part], valid[part])
        channel = channels(vector)
        out[part, : len(NAMES)] = described(vector, channel).T
        out[part, len(NAMES) :] = convolution.features(channel).T
    return out


def _check(motion: NDArray[np.float32], valid: NDArray[np.bool_]) -> None:
    if motion.shape != (len(motion), 3, SPAN) or valid.shape != (len(motion), SPAN):
        raise ValueError(
            f"windows of shape {motion.shape} and {valid.shape}, not (n, 3, {SPAN}) and (n, {SPAN})"
        )


def _is_impact(vector: NDArray[np.float32], channel: NDArray[np.float32]) -> NDArray[np.bool_]:
    """Whether something hit a body that was subject to gravity, shape (n,)."""
    jerk = channel[-1, _JERK].max(axis=0) * MOTION_HZ
    gravity = np.sqrt(np.square(vector[:, _UPRIGHT].mean(axis=1)).sum(axis=0))
    believed: NDArray[np.bool_] = (jerk >= LEAST_JERK_G_PER_S) & (gravity <= MOST_GRAVITY_G)
    return believed


# -- files --------------------------------------------------------------------------------------

_HALF: Final = frozenset({"hidden_weight"})
"""Kept with 11 bits: it is nearly all of the file. Of 8,560 candidates of the development data none
was decided otherwise, and no score moved by more than 0.0001."""


def encode_model(model: FallModel) -> bytes:
    """The bytes of a model's file; the same for the same model, everywhere.

    Weights lose what float16 does not hold: judge a model as `decode_model` gives it back.
    """
    buffer = io.BytesIO()
    # Not compressed: the bytes would depend on the version of zlib.
    np.savez(buffer, allow_pickle=False, **_arrays(model))
    return buffer.getvalue()


def _arrays(model: FallModel) -> dict[str, NDArray[Any]]:
    given = {each.name: getattr(model, each.name) for each in fields(model)}
    bank = given.pop("bank")
    given |= {f"bank_{name}": values for name, values in bank._asdict().items()}
    arrays = {name: np.asarray(values) for name, values in sorted(given.items())}
    for name in _HALF:
        arrays[name] = arrays[name].astype(np.float16)
    return {"format": np.array(FORMAT), "layout": np.array(LAYOUT), **arrays}


def decode_model(data: bytes) -> FallModel:
    """A model from its file's bytes.

    Raises
    ------
    ModelError
        If they are not those of a model of this format and feature layout.
    """
    try:
        with np.load(io.BytesIO(data), allow_pickle=False) as file:
            arrays = {name: file[name] for name in file.files}
    except (ValueError, OSError, EOFError, zipfile.BadZipFile) as error:
        raise ModelError(f"not a file of arrays: {error}") from error
    for name, wanted in {"format": FORMAT, "layout": LAYOUT}.items():
        found = arrays.pop(name, None)
        if found is None or found.item() != wanted:
            raise ModelError(f"its {name} is {found}, and this program reads {wanted}")
    try:
        bank = KernelBank(**{name: arrays.pop(f"bank_{name}") for name in KernelBank._fields})
        for name in _HALF:
            arrays[name] = arrays[name].astype(np.float32)
        plain = {name: values if values.ndim else values.item() for name, values in arrays.items()}
        return FallModel(bank=bank, **plain)
    except (KeyError, TypeError) as error:
        raise ModelError(f"not the arrays of a fall model: {error}") from error


def save_model(path: Path, model: FallModel) -> str:
    """Write a model's file, and its hash into the manifest beside it.

    Returns
    -------
    str
        SHA-256 of the file, in hexadecimal.
    """
    data = encode_model(model)
    digest = hashlib.sha256(data).hexdigest()
    path.write_bytes(data)
    manifest = path.with_name(MANIFEST)
    known = json.loads(manifest.read_text("utf-8")) if manifest.exists() else {}
    known[path.name] = digest
    manifest.write_text(json.dumps(known, indent=2, sort_keys=True) + "\n", "utf-8")
    return digest


def read_model(path: Path) -> FallModel:
    """A model from a file whose hash stands in the manifest beside it.

    Raises
    ------
    ModelError
        If it is missing, or not the file that the manifest means, or not a model.
    """
    try:
        data, manifest = path.read_bytes(), path.with_name(MANIFEST).read_text("utf-8")
    except OSError as error:
        raise ModelError(f"the fall model {path.name} cannot be read: {error}") from error
    wanted = json.loads(manifest).get(path.name)
    found = hashlib.sha256(data).hexdigest()
    if found != wanted:
        raise ModelError(
            f"the fall model {path.name} is not the one that was measured: its SHA-256 is {found}, "
            f"and {MANIFEST} says {wanted}; install the program anew"
        )
    try:
        return decode_model(data)
    except ModelError as error:
        raise ModelError(f"the fall model {path.name}: {error}") from error


def load_model(placement: str) -> FallModel:
    """The model that ships for a placement; that of the wrist for one that is not known.

    Raises
    ------
    ModelError
        As `read_model`, or if it was trained for another screen than wearables have.
    """
    return _shipped(MODEL_OF[known_placement(placement)])


@functools.cache
def _shipped(name: str) -> FallModel:
    folder = resources.files("detectors") / "models"
    with resources.as_file(folder) as path:
        model = read_model(path / f"falls_{name}.npz")
    if model.screen_g != SCREEN_IMPACT_G[name]:
        raise ModelError(
            f"the fall model of the {name} was trained for candidates over {model.screen_g} g, and "
            f"wearables there make them over {SCREEN_IMPACT_G[name]} g"
        )
    return model


def shipped_hash(placement: str) -> str:
    """SHA-256 of the model that `load_model` gives, for reports."""
    name = f"falls_{MODEL_OF[known_placement(placement)]}.npz"
    text = (resources.files("detectors") / "models" / MANIFEST).read_text("utf-8")
    return str(json.loads(text)[name])
