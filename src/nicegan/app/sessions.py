"""What people at work have given and got: in memory alone, and gone when they leave or others need the room."""

from __future__ import annotations

import secrets
from collections import OrderedDict
from hmac import compare_digest
from threading import Event, RLock

from nicegan.app.pictures import Picture
from nicegan.app.translation import Tiling, View
from nicegan.data.cache import Pixels

MAX_HELD = 1 << 30  # bytes of all sessions together
MAX_SESSIONS = 256

Views = dict[View, Pixels]


class Session:
    """One open page: its pictures, its results by the model's number, the view it shows, and what stops its work."""

    def __init__(self) -> None:
        self.token = secrets.token_urlsafe(16)  # of the results' addresses
        self.picture: Picture | None = None
        self.example: Picture | None = None
        self.results: dict[int, Views] = {}
        self.tilings: dict[int, Tiling] = {}
        self.view: View = "translation"
        self.stop = Event()

    @property
    def num_bytes(self) -> int:
        """Memory that the pictures and results take."""
        pictures = sum(len(picture.content) for picture in (self.picture, self.example) if picture)
        return pictures + sum(pixels.nbytes for views in list(self.results.values()) for pixels in list(views.values()))

    def begin(self) -> Event:
        """Stop the work, forget its results, and return the event that stops what begins next."""
        self.stop.set()
        self.token = secrets.token_urlsafe(16)
        self.results = {}
        self.stop = Event()
        return self.stop


class Sessions:
    """The sessions by their keys; those that were longest unused make room for others."""

    def __init__(self, max_held: int = MAX_HELD) -> None:
        self.max_held = max_held
        self._sessions: OrderedDict[str, Session] = OrderedDict()
        self._lock = RLock()

    def of(self, key: str) -> Session:
        """Return the session of a page, a new one if there is none."""
        with self._lock:
            session = self._sessions.setdefault(key, Session())
            self._sessions.move_to_end(key)
            self.make_room()
            return session

    def make_room(self) -> None:
        """Remove the sessions that were longest unused while all take more than is allowed; one may stay."""
        with self._lock:
            while len(self) > MAX_SESSIONS or (len(self) > 1 and self.num_bytes > self.max_held):
                self.remove(next(iter(self._sessions)))

    def remove(self, key: str) -> None:
        """Stop the work of a session and forget it."""
        with self._lock:
            if session := self._sessions.pop(key, None):
                session.stop.set()

    def close(self) -> None:
        """Stop and forget all."""
        with self._lock:
            for key in list(self._sessions):
                self.remove(key)

    def with_token(self, token: str) -> Session | None:
        """Return the session whose results have this word in their addresses."""
        with self._lock:
            given = token.encode()
            return next((one for one in self._sessions.values() if compare_digest(one.token.encode(), given)), None)

    @property
    def num_bytes(self) -> int:
        """Memory that all sessions take."""
        with self._lock:
            return sum(session.num_bytes for session in self._sessions.values())

    def __len__(self) -> int:
        return len(self._sessions)
