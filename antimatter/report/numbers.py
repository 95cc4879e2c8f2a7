"""Numbers as people read them."""


def count(value: float) -> str:
    """Whole numbers with separators up to 99,999, then three digits: 12,345  1.23 M  4.56 G"""
    for size, unit in ((1e9, "G"), (1e6, "M"), (1e5, "k")):
        if abs(value) >= size:
            scaled = value / (1e3 if unit == "k" else size)
            return f"{_three(scaled)} {unit}"
    return f"{value:,.0f}"


def size(text_bytes: float) -> str:
    """Decimal units with three digits: 512 B  20.4 MB"""
    for limit, unit in ((1e9, "GB"), (1e6, "MB"), (1e3, "kB")):
        if text_bytes >= limit:
            return f"{_three(text_bytes / limit)} {unit}"
    return f"{text_bytes:.0f} B"


def percent(part: float) -> str:
    """A share as percent, never rounded to 0 or 100 unless it is: 0.0003 is "< 0.1 %"."""
    if 0 < part < 0.001:
        return "< 0.1 %"
    if 0.999 < part < 1:
        return "> 99.9 %"
    return f"{100 * part:.1f} %"


def duration(seconds: float) -> str:
    """0.4 s  12 s  3 min 20 s  2 h 05 min"""
    if seconds < 10:
        return f"{seconds:.1f} s"
    minutes, rest = divmod(round(seconds), 60)
    hours, left = divmod(minutes, 60)
    if hours:
        return f"{hours} h {left:02d} min"
    return f"{minutes} min {rest:02d} s" if minutes else f"{rest} s"


def _three(value: float) -> str:
    return f"{value:.2f}" if abs(value) < 10 else f"{value:.1f}" if abs(value) < 100 else f"{value:.0f}"
