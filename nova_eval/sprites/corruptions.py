"""Known ways to spoil what the oracle draws."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass, replace

import numpy as np

from nova_eval.errors import UsageError
from nova_eval.protocols import Frames
from nova_eval.sprites.grammar import Scene
from nova_eval.sprites.partners import partners
from nova_eval.sprites.vocabulary import CAMERAS, COLORS, MOTIONS, PLACES, RELATIONS, SHAPES, STYLES, TEXTURES

Rng = np.random.Generator
Redraw = Callable[[Scene], Frames]  # renders another scene as the sampler would have


@dataclass(frozen=True, slots=True)
class Corruption:
    """Spoils the scene before it is drawn or the clip after.

    ``scene(scene, rng)`` is applied with probability ``strength``; ``clip(frames, rng, strength, redraw)`` by
    that amount.
    """

    scene: Callable[[Scene, Rng], Scene] | None = None
    clip: Callable[[Frames, Rng, float, Callable[[], Frames]], Frames] | None = None


def corrupted(name: str, scene: Scene, rng: Rng, strength: float, redraw: Redraw) -> Frames:
    """The clip of ``scene`` spoiled by the corruption ``name``."""
    corruption = CORRUPTIONS[name]
    if corruption.scene is not None:
        return redraw(corruption.scene(scene, rng) if rng.random() < strength else scene)
    frames = redraw(scene)
    if corruption.clip is None or strength <= 0:
        return frames
    return corruption.clip(frames, rng, strength, lambda: redraw(_another_world(scene, rng)))


# --- of the clip ------------------------------------------------------------------------------------------------------


def flicker(frames: Frames, rng: Rng, strength: float, _: Callable[[], Frames]) -> Frames:
    """Every frame at another brightness."""
    gains = 1 + 0.45 * strength * rng.choice([-1, 1], len(frames)) * rng.uniform(0.5, 1.0, len(frames))
    return np.clip(frames * gains[:, None, None, None], 0, 255).astype(np.uint8)


def blur(frames: Frames, rng: Rng, strength: float, _: Callable[[], Frames]) -> Frames:
    """Out of focus throughout."""
    import cv2

    sigma = 2.2 * strength * min(frames.shape[1:3]) / 64
    return np.stack([cv2.GaussianBlur(frame, (0, 0), sigma) for frame in frames])


def jitter(frames: Frames, rng: Rng, strength: float, _: Callable[[], Frames]) -> Frames:
    """Every frame displaced at random."""
    reach = max(1, round(0.08 * strength * min(frames.shape[1:3])))
    moves = rng.integers(-reach, reach + 1, (len(frames), 2))
    padded = np.pad(frames, ((0, 0), (reach, reach), (reach, reach), (0, 0)), mode="edge")
    height, width = frames.shape[1:3]
    return np.stack(
        [padded[t, reach + y : reach + y + height, reach + x : reach + x + width] for t, (y, x) in enumerate(moves)]
    )


def freeze(frames: Frames, rng: Rng, strength: float, _: Callable[[], Frames]) -> Frames:
    """The picture stops; ``strength`` is the share of frames that stand still."""
    result = frames.copy()
    start = round((len(frames) - 1) * (1 - min(strength, 1.0)))
    result[start:] = frames[start]
    return result


def shuffled_frames(frames: Frames, rng: Rng, strength: float, _: Callable[[], Frames]) -> Frames:
    """The frames in random order; ``strength`` is the share that changes places."""
    moved = np.sort(rng.permutation(len(frames))[: round(len(frames) * min(strength, 1.0))])
    result = frames.copy()
    result[moved] = frames[rng.permutation(moved)]
    return result


def noise_blend(frames: Frames, rng: Rng, strength: float, _: Callable[[], Frames]) -> Frames:
    """Mixed with noise of its own in every frame."""
    share = min(1.0, 0.6 * strength)
    noise = rng.integers(0, 256, frames.shape, dtype=np.uint8)
    return (frames * (1 - share) + noise * share).astype(np.uint8)


def cut(frames: Frames, rng: Rng, strength: float, other: Callable[[], Frames]) -> Frames:
    """Half way through, another subject at another place."""
    middle = len(frames) // 2
    after = frames[middle:] * (1 - min(strength, 1.0)) + other()[middle:] * min(strength, 1.0)
    return np.concatenate([frames[:middle], after.astype(np.uint8)])


# --- of the scene -----------------------------------------------------------------------------------------------------


def recolor(scene: Scene, rng: Rng) -> Scene:
    """Every color the prompt names becomes another one."""
    taken = [thing.color for thing in scene.things]
    free = [str(name) for name in rng.permutation([name for name in COLORS if name not in taken])]
    return replace(scene, things=tuple(replace(t, color=free.pop()) if t.color else t for t in scene.things))


def retexture(scene: Scene, rng: Rng) -> Scene:
    """Every texture the prompt names becomes another one."""
    things = (replace(t, texture=_other(t.texture, TEXTURES, rng)) if t.texture else t for t in scene.things)
    return replace(scene, things=tuple(things))


def wrong_count(scene: Scene, rng: Rng) -> Scene:
    """One object too few, or too many where there is only one."""
    if len(scene.things) == 2:
        return replace(scene, things=scene.things[:1], relation=None)
    if not scene.things or scene.moving:  # what moves is alone
        return scene
    thing = scene.things[0]
    count = thing.count - 1 if thing.count > 1 else 2
    return replace(scene, things=(replace(thing, count=count, size=None),), position=None)


def shuffled_positions(scene: Scene, rng: Rng) -> Scene:
    """The relation along the other axis (wrong even for a rule that ignores direction), the position elsewhere.

    What stood before another thing stands beside it.
    """
    other_axis = {
        "left": ("top", "bottom"),
        "right": ("top", "bottom"),
        "top": ("left", "right"),
        "bottom": ("left", "right"),
    }
    if scene.relation:
        return replace(scene, relation=str(rng.choice(other_axis.get(scene.relation, tuple(RELATIONS)))))
    if scene.position:
        return replace(scene, position="middle" if scene.position != "middle" else str(rng.choice(list(RELATIONS))))
    return scene


def wrong_object(scene: Scene, rng: Rng) -> Scene:
    """Every object has another shape."""
    asked = {thing.shape for thing in scene.things}
    for _ in range(64):
        shapes = [str(name) for name in rng.permutation([name for name in SHAPES if name not in asked])]
        things = tuple(replace(thing, shape=shapes[i]) for i, thing in enumerate(scene.things))
        if (changed := _valid(scene, things=things)) is not None:
            return changed
    return scene


def wrong_scene(scene: Scene, rng: Rng) -> Scene:
    """Another place."""
    return replace(scene, place=_other(scene.place, PLACES, rng)) if scene.place else scene


def wrong_motion(scene: Scene, rng: Rng) -> Scene:
    """Another motion."""
    others = [str(name) for name in rng.permutation([name for name in MOTIONS if name != scene.motion])]
    return _first_valid(scene, ({"motion": name} for name in others)) if scene.moving else scene


def wrong_style(scene: Scene, rng: Rng) -> Scene:
    """Another appearance and another camera."""
    style = _other(scene.style, STYLES, rng) if scene.style else None
    cameras = [str(name) for name in rng.permutation([name for name in CAMERAS if name != scene.camera])]
    if scene.camera:
        return _first_valid(scene, ({"camera": name, "style": style} for name in cameras))
    return replace(scene, style=style)


def shuffled_prompts(scene: Scene, rng: Rng) -> Scene:
    """What another prompt of the same group asks for; every prompt of a suite gets a different one."""
    if scene in (others := partners()):
        return others[scene]
    rest = [other for other in others if other != scene]
    return rest[int(rng.integers(len(rest)))]


def _another_world(scene: Scene, rng: Rng) -> Scene:
    """The scene with other shapes and colors at another place."""
    changed = wrong_object(scene, rng)
    things = tuple(replace(t, color=_other(t.color, COLORS, rng)) for t in changed.things)
    moved = _valid(changed, things=things, place=_other(scene.place, PLACES, rng))
    return moved if moved is not None else replace(changed, place=_other(scene.place, PLACES, rng))


def _other(name: str | None, names: Iterable[str], rng: Rng) -> str:
    return str(rng.choice([other for other in names if other != name]))


def _valid(scene: Scene, **changes: object) -> Scene | None:
    try:
        return replace(scene, **changes)  # type: ignore[arg-type]
    except UsageError:
        return None


def _first_valid(scene: Scene, candidates: Iterable[dict[str, str | None]]) -> Scene:
    return next((changed for c in candidates if (changed := _valid(scene, **c)) is not None), scene)


CORRUPTIONS: dict[str, Corruption] = {
    "none": Corruption(),
    "flicker": Corruption(clip=flicker),
    "blur": Corruption(clip=blur),
    "jitter": Corruption(clip=jitter),
    "freeze": Corruption(clip=freeze),
    "shuffled_frames": Corruption(clip=shuffled_frames),
    "noise_blend": Corruption(clip=noise_blend),
    "cut": Corruption(clip=cut),
    "recolour": Corruption(scene=recolor),
    "retexture": Corruption(scene=retexture),
    "wrong_count": Corruption(scene=wrong_count),
    "shuffled_positions": Corruption(scene=shuffled_positions),
    "wrong_object": Corruption(scene=wrong_object),
    "wrong_scene": Corruption(scene=wrong_scene),
    "wrong_motion": Corruption(scene=wrong_motion),
    "wrong_style": Corruption(scene=wrong_style),
    "shuffled_prompts": Corruption(scene=shuffled_prompts),
}
