"""Naming a silhouette: correlation with the outlines of the world, whatever its place, size and turn."""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from nova_eval.sprites.shapes import outline, rotation
from nova_eval.sprites.vocabulary import SHAPES, TURNABLE

PATCH = 24  # side of a normalised silhouette
REACH = 2.1  # half the patch, in RMS radii of the silhouette
STEP = 15  # degrees between the turned templates
SYMMETRY = {"diamond": 180}  # degrees after which a shape looks the same


@dataclass(frozen=True, slots=True)
class Bank:
    """Unit-norm, zero-mean templates with the shape index, turn (degrees) and RMS radius of each."""

    templates: NDArray[np.float64]  # (K, PATCH²)
    shapes: NDArray[np.int64]  # (K,)
    angles: NDArray[np.float64]  # (K,)
    radii: NDArray[np.float64]  # (K,) RMS radius of the unit shape


class Silhouette(NamedTuple):
    """A normalised mask: patch (PATCH, PATCH), centroid and RMS radius in pixels."""

    patch: NDArray[np.float32]
    x: float
    y: float
    radius: float


def silhouette(mask: NDArray[np.uint8]) -> Silhouette:
    """Normalises a 0/1 mask (h, w) by its centroid and RMS radius."""
    import cv2

    moments = cv2.moments(mask, binaryImage=True)
    area = max(moments["m00"], 1.0)
    x, y = moments["m10"] / area, moments["m01"] / area
    radius = float(np.sqrt(max((moments["mu20"] + moments["mu02"]) / area, 0.25)))
    step = 2 * REACH * radius / PATCH
    matrix = np.array([[step, 0, x - step * (PATCH - 1) / 2], [0, step, y - step * (PATCH - 1) / 2]])
    flags = cv2.INTER_LINEAR | cv2.WARP_INVERSE_MAP
    patch = cv2.warpAffine(mask.astype(np.float32), matrix, (PATCH, PATCH), flags=flags)
    return Silhouette(cv2.GaussianBlur(patch, (3, 3), 0.8), x, y, radius)


def correlate(patches: NDArray[np.float32]) -> NDArray[np.float32]:
    """(N, PATCH, PATCH) → (N, K) correlation with every template of the bank.

    Summed in double precision and rounded, so that neither the other patches nor the number of threads, which decide
    the order of the sums, show in a patch's correlations.
    """
    return (_unit(patches.reshape(len(patches), -1)) @ bank().templates.T).astype(np.float32)


@lru_cache(maxsize=1)
def bank() -> Bank:
    """The templates, built once."""
    patches, shapes, angles, radii = [], [], [], []
    for index, shape in enumerate(SHAPES):
        turns = range(0, SYMMETRY.get(shape, 360), STEP) if shape in TURNABLE else [0]
        for angle in turns:
            for pose in np.linspace(0, 2 * np.pi, 8, endpoint=False) if shape == "person" else [0.0]:
                template = silhouette(_mask(shape, float(np.deg2rad(angle)), float(pose)))
                patches.append(template.patch)
                radii.append(template.radius / 36)
                shapes.append(index)
                angles.append(float(angle))
    templates = _unit(np.stack(patches).reshape(len(patches), -1))
    return Bank(templates, np.array(shapes), np.array(angles), np.array(radii))


def _mask(shape: str, angle: float, pose: float) -> NDArray[np.uint8]:
    import cv2

    mask = np.zeros((96, 96), np.uint8)
    for part in outline(shape, pose):
        cv2.fillPoly(mask, [np.round((c @ rotation(angle) * 36 + 48) * 16).astype(np.int32) for c in part], 1, shift=4)
    return mask


def _unit(rows: NDArray[np.float32]) -> NDArray[np.float64]:
    centred = rows - rows.mean(1, keepdims=True, dtype=np.float64)
    result: NDArray[np.float64] = centred / np.maximum(np.linalg.norm(centred, axis=1, keepdims=True), 1e-6)
    return result
