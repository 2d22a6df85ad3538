"""TensorBoard: event files in a folder. Needs no torch."""

from __future__ import annotations

import io
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from nova_eval.packages import needed_by
from nova_eval.trackers import Shown

_MOST_FRAMES = 16


class TensorBoard:
    """Samples are pictures, clips moving ones; the summary is a text of each axis."""

    def __init__(self, place: str | Path, series: str = "") -> None:
        with needed_by("TensorBoard"):
            from tensorboard.compat.proto import event_pb2, summary_pb2, tensor_pb2, tensor_shape_pb2
            from tensorboard.summary.writer.event_file_writer import EventFileWriter

        self._event, self._summary = event_pb2, summary_pb2
        self._tensor, self._shape = tensor_pb2, tensor_shape_pb2
        self._writer: Any = EventFileWriter(str(Path(place).expanduser()))

    def log(self, axis: str, step: int, values: Mapping[str, float]) -> None:
        value = self._summary.Summary.Value
        self._add(step, [value(tag=f"{axis}/{name}", simple_value=number) for name, number in values.items()])

    def media(self, axis: str, step: int, samples: Sequence[Shown]) -> None:
        kind = self._summary.Summary
        pictures = []
        for sample in samples:
            data, height, width = _picture(sample.path)
            picture = kind.Image(height=height, width=width, colorspace=3, encoded_image_string=data)
            pictures.append(kind.Value(tag=f"{axis}/samples/{sample.prompt} [{sample.index}]"[:200], image=picture))
        self._add(step, pictures)

    def summary(self, axis: str, values: Mapping[str, str | float]) -> None:
        lines = "\n".join(f"- {name}: {value}" for name, value in values.items())
        kind = self._summary.SummaryMetadata
        shape = self._shape.TensorShapeProto(dim=[self._shape.TensorShapeProto.Dim(size=1)])
        tensor = self._tensor.TensorProto(dtype="DT_STRING", string_val=[lines.encode()], tensor_shape=shape)
        told = kind(plugin_data=kind.PluginData(plugin_name="text"))
        self._add(0, [self._summary.Summary.Value(tag=f"{axis}/summary", metadata=told, tensor=tensor)])

    def close(self) -> None:
        self._writer.close()

    def _add(self, step: int, values: Sequence[Any]) -> None:
        summary = self._summary.Summary(value=values)
        self._writer.add_event(self._event.Event(wall_time=time.time(), step=step, summary=summary))
        self._writer.flush()


def _picture(path: Path) -> tuple[bytes, int, int]:
    """PNG of an image, GIF of a clip's frames, and its height and width."""
    from PIL import Image

    from nova_eval import media

    clip = media.read(path)
    count = len(clip.frames)
    taken = [clip.frames[place] for place in range(0, count, -(-count // _MOST_FRAMES))]
    first, *others = [Image.fromarray(frame) for frame in taken]
    stream = io.BytesIO()
    if others:
        wait = round(1000 * count / (clip.fps or 8.0) / len(taken))
        first.save(stream, format="GIF", save_all=True, append_images=others, duration=wait, loop=0)
    else:
        first.save(stream, format="PNG")
    return stream.getvalue(), clip.height, clip.width
