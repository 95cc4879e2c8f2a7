"""What a picture holds, read back from its SVG text: shapes by kind and colour, words with the room that they take."""

import re
import xml.etree.ElementTree as ElementTree

from antimatter.report.svg_renderer import LETTERS, TITLE, text_width


def shapes(picture, kind, colour=None):
    """Elements (rect, circle, path, text) of a picture, or those of one colour: "accent", "s-accent" for lines."""
    found = [shape for shape in ElementTree.fromstring(picture).iter() if shape.tag.endswith("}" + kind)]
    return [shape for shape in found if colour is None or shape.get("class").split()[0] == colour]


def words(picture):
    return [shape.text for shape in shapes(picture, "text")]


def size(picture):
    """Width and height."""
    return tuple(map(float, re.search(r'viewBox="0 0 (\S+) (\S+)"', picture).groups()))


def box(text):
    """left, top, right, bottom of the letters of a text element, in the wide font by which pictures are laid out."""
    strong = bool({"title", "strong"} & set(text.get("class").split()))
    height = TITLE if "title" in text.get("class").split() else LETTERS
    width = text_width(text.text, size=height, strong=strong)
    left = float(text.get("x")) - width * {None: 0, "middle": 0.5, "end": 1}[text.get("text-anchor")]
    return left, float(text.get("y")) - 0.75 * height, left + width, float(text.get("y")) + 0.2 * height


def points(picture):
    """All corners of the shapes, lines cut into their points."""
    for rect in shapes(picture, "rect"):
        x, y, width, height = (float(rect.get(name)) for name in ("x", "y", "width", "height"))
        yield from ((x, y), (x + width, y + height))
    for circle in shapes(picture, "circle"):
        yield float(circle.get("cx")), float(circle.get("cy"))
    for path in shapes(picture, "path"):
        numbers = [float(number) for number in re.findall(r"-?\d+(?:\.\d+)?", path.get("d"))]
        yield from zip(numbers[::2], numbers[1::2], strict=True)


def is_sound(picture):
    """Raises AssertionError where letters overlap or anything reaches beyond the picture."""
    width, height = size(picture)
    boxes = [(box(text), text.text) for text in shapes(picture, "text")]
    for (left, top, right, bottom), text in boxes:
        assert left >= -1 and top >= 0 and right <= width + 1 and bottom <= height, f"{text!r} is cut off"
    for index, ((left, top, right, bottom), text) in enumerate(boxes):
        for (other_left, other_top, other_right, other_bottom), other in boxes[index + 1 :]:
            apart = right <= other_left or other_right <= left or bottom <= other_top or other_bottom <= top
            assert apart, f"{text!r} lies on {other!r}"
    for x, y in points(picture):
        assert -0.01 <= x <= width + 0.01 and -0.01 <= y <= height + 0.01, f"a shape reaches {x}, {y}"
