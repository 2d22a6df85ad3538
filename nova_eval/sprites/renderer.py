"""Drawing a scene: uint8 RGB clips of any size, anti-aliased by supersampling, determined by (scene, seed)."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from nova_eval.protocols import Frames
from nova_eval.sprites.arrangement import Arrangement, Sprite, arrange
from nova_eval.sprites.grammar import Scene
from nova_eval.sprites.places import MARGIN, paint
from nova_eval.sprites.shapes import outline, rotation
from nova_eval.sprites.styles import restyle
from nova_eval.sprites.vocabulary import COLORS


def render(
    scene: Scene,
    seed: int,
    *,
    frames: int = 17,
    height: int = 64,
    width: int = 64,
    fps: float = 8.0,
    reach: float = 1.0,
) -> Frames:
    """The clip (frames, height, width, 3) of ``scene``, whose motions go ``reach`` times as far as usual.

    Equal arguments give equal pixels.
    """
    return draw(arrange(scene, seed, frames, fps, reach), height, width)


def draw(arrangement: Arrangement, height: int, width: int) -> Frames:
    """The clip of an arrangement."""
    clip = _backgrounds(arrangement, height, width)
    detail = 4 if min(height, width) <= 128 else 2
    for t, frame in enumerate(clip):
        for sprite in arrangement.sprites:
            _draw_sprite(frame, sprite, arrangement, t, detail)
    return restyle(_focused(clip, arrangement.camera.blur), arrangement.style)


def _backgrounds(arrangement: Arrangement, height: int, width: int) -> Frames:
    import cv2

    camera = arrangement.camera
    frames = len(camera.zoom)
    density = 3 if min(height, width) <= 128 else 2
    canvas = paint(arrangement.place, arrangement.place_seed, height * density, width * density).pixels
    moves = np.ptp(camera.zoom) + np.ptp(camera.x) + np.ptp(camera.y) > 0
    if not moves:
        top, left = round(MARGIN * height * density), round(MARGIN * width * density)
        view = canvas[top : top + height * density, left : left + width * density]
        still = cv2.resize(view, (width, height), interpolation=cv2.INTER_AREA)
        return np.repeat(still[None], frames, axis=0)
    canvas = cv2.blur(canvas, (density, density))
    clip = np.empty((frames, height, width, 3), np.uint8)
    for t in range(frames):
        step = density / camera.zoom[t]
        left = (0.5 + MARGIN + camera.x[t]) * width * density - step * width / 2 + (step - 1) / 2
        top = (0.5 + MARGIN + camera.y[t]) * height * density - step * height / 2 + (step - 1) / 2
        matrix = np.array([[step, 0, left], [0, step, top]])
        flags = cv2.INTER_LINEAR | cv2.WARP_INVERSE_MAP
        cv2.warpAffine(canvas, matrix, (width, height), clip[t], flags, cv2.BORDER_REPLICATE)
    return clip


def _draw_sprite(frame: Frames, sprite: Sprite, arrangement: Arrangement, t: int, detail: int) -> None:
    import cv2

    height, width = frame.shape[:2]
    side, camera = min(height, width), arrangement.camera
    zoom = camera.zoom[t]
    x = ((sprite.spot[0] - 0.5 - camera.x[t]) * zoom + 0.5) * width + sprite.dx[t] * side * zoom
    y = ((sprite.spot[1] - 0.5 - camera.y[t]) * zoom + 0.5) * height + sprite.dy[t] * side * zoom
    radius = sprite.radius[t] * side * zoom
    reach = int(radius * 1.25) + 2
    left, top = max(0, int(x) - reach), max(0, int(y) - reach)
    right, bottom = min(width, int(x) + reach + 1), min(height, int(y) + reach + 1)
    if left >= right or top >= bottom:
        return
    size = ((bottom - top) * detail, (right - left) * detail)
    mask = np.zeros(size, np.uint8)
    turn = rotation(sprite.angle[t])
    centre = np.array([x - left, y - top])
    for part in outline(sprite.shape, sprite.pose[t]):
        contours = [np.round((c @ turn * radius + centre) * detail * 16 - 8).astype(np.int32) for c in part]
        cv2.fillPoly(mask, contours, 255, lineType=cv2.LINE_8, shift=4)
    region = frame[top:bottom, left:right]
    paint_ = COLORS[sprite.color]
    cover = _coverage(mask, region.shape[:2])
    blended = region + (np.array(paint_.body, np.float32) - region) * cover
    if sprite.texture != "plain":
        shaded = mask * _texture(sprite.texture, size, centre * detail, turn, radius * detail)
        cover = _coverage(shaded, region.shape[:2])
        blended += (np.array(paint_.shade, np.float32) - np.array(paint_.body, np.float32)) * cover
    region[:] = np.clip(blended + 0.5, 0, 255).astype(np.uint8)


def _coverage(mask: NDArray[np.uint8], shape: tuple[int, ...]) -> NDArray[np.float32]:
    import cv2

    covered: NDArray[np.float32] = cv2.resize(mask, (shape[1], shape[0]), interpolation=cv2.INTER_AREA)
    return (covered.astype(np.float32) / 255.0)[..., None]


def _texture(
    texture: str, size: tuple[int, int], centre: NDArray[np.float64], turn: NDArray[np.float64], radius: float
) -> NDArray[np.uint8]:
    """1 where the pattern is shaded. Patterns are fixed to the sprite and turn with it."""
    ys, xs = np.mgrid[: size[0], : size[1]].astype(np.float32)
    xs, ys = (xs + 0.5 - centre[0]) / radius, (ys + 0.5 - centre[1]) / radius
    u, v = xs * turn[0, 0] + ys * turn[0, 1], xs * turn[1, 0] + ys * turn[1, 1]
    if texture == "striped":
        inside = ((u + v) / 0.96 + 0.24) % 1.0 < 0.45
    elif texture == "checked":
        inside = (u % 1.04 < 0.52) ^ (v % 1.04 < 0.52)
    else:
        row = np.floor(v / 0.56 + 0.5)
        across = ((u / 0.64 + 0.5 * (row % 2) + 0.5) % 1.0 - 0.5) * 0.64
        inside = across**2 + (v - row * 0.56) ** 2 < 0.18**2
    pattern: NDArray[np.uint8] = inside.astype(np.uint8)
    return pattern


def _focused(clip: Frames, blur: NDArray[np.float64]) -> Frames:
    import cv2

    side = min(clip.shape[1:3])
    for t, sigma in enumerate(blur * side / 64):
        if sigma > 0.2:
            clip[t] = cv2.GaussianBlur(clip[t], (0, 0), float(sigma))
    return clip
