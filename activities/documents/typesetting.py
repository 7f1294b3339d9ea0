"""The typesetter: a Typst template and data in, the bytes of a PDF out.

Data reaches the template as JSON in `sys.inputs`, so it is always a value and never markup. The same template, data
and time give the same bytes, on any machine: only the fonts inside the package are used, and the PDF's date is given.
Nothing is downloaded and no file is read while a page is set.
"""

from datetime import UTC, date, datetime, time
from functools import lru_cache

import typst


@lru_cache(maxsize=1)
def _embedded_fonts() -> typst.Fonts:
    # The fonts of the machine are left out, or the same invoice would look different on another one.
    return typst.Fonts(include_system_fonts=False, include_embedded_fonts=True)


def set_pages(template: bytes, *, data: str, dated: date) -> bytes:
    """The PDF of a template and its data.

    data      JSON text; the template reads it as `json(bytes(sys.inputs.data))`.
    dated     the PDF's creation date, midnight UTC.
    Raises    typst.TypstError when the template is wrong; data alone cannot cause it.
    """
    return typst.compile(
        template,
        format="pdf",
        font_paths=_embedded_fonts(),
        sys_inputs={"data": data},
        timestamp=datetime.combine(dated, time.min, UTC),
    )
