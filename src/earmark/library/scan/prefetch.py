"""Looking into files: some beforehand, by threads, while others are listened to; and once more afterwards."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor

from earmark.core.errors import AudioError
from earmark.library.scan.content import Content, look_into
from earmark.library.scan.walk import Todo

_LOOKS_AHEAD = 32


def look_ahead(looks: ThreadPoolExecutor, todo: Iterable[Todo]) -> Iterator[tuple[Todo, Content | AudioError]]:
    """Every item with what a look into it gives, in order; some are looked into beforehand."""
    ahead: deque[tuple[Todo, Future[Content] | Content]] = deque()
    items = iter(todo)
    while True:
        while len(ahead) < _LOOKS_AHEAD and (item := next(items, None)) is not None:
            ahead.append((item, item.content or looks.submit(look_into, item.path)))
        if not ahead:
            return
        item, content = ahead.popleft()
        try:
            yield item, content if isinstance(content, Content) else content.result()
        except AudioError as error:
            yield item, error


def changed_since(item: Todo) -> bool:
    """Is the file another one than when it was found? Its key may be that of neither."""
    try:
        now = item.path.stat()
    except OSError:
        return True
    return (now.st_size, now.st_mtime_ns) != (item.status.st_size, item.status.st_mtime_ns)
