"""Stores in one folder, and jobs to put there."""

import sqlite3
import time
from dataclasses import replace

from bridge.engine import Run
from bridge.jobs.store import JobStore, StoreSettings
from bridge.protocol import Finished, Plane, Result

WORKFLOW = {"1": {"class_type": "Show", "inputs": {"text": "é"}}}
PICTURE = Result("1", (Plane("image", (1, 1, 3), "u8", bytes(3)),), job="a")


class Stores:
    """Stores in one folder, one after the other."""

    def __init__(self, folder):
        self.settings = StoreSettings(folder)
        self.store = None

    def open(self, **settings):
        self.close()
        self.store = JobStore(replace(self.settings, **settings))
        self.store.open()
        return self.store

    def close(self):
        if self.store:
            self.store.close()


def accept(store, *names, session="session", **run):
    for name in names:
        seq = store.last_seq + 1
        job = Run(name, WORKFLOW, ("1",), **run)
        if job.frame:
            store.keep_frame(seq, job)
        store.accept(seq, session, seq, job, 100.0 + seq)


def end(store, *names, state="done", ended_at=None, results=(), **fields):
    for name in names:
        [seq] = [left.seq for left in store.unfinished() if left.run.job == name]
        size = store.keep_results(seq, results)
        finished = Finished(state, job=name, **fields)
        store.end(seq, finished, time.time() if ended_at is None else ended_at, len(results), size)


def listed(store, **page):
    return [record.id for record in store.history.page(99, **page)]


class Full:
    """A database on a disk that is full: it may be read."""

    def __init__(self, database):
        self.database = database

    def execute(self, statement, *parameters):
        if statement.startswith(("INSERT", "UPDATE", "DELETE", "PRAGMA user_version")):
            raise sqlite3.OperationalError("database or disk is full")
        return self.database.execute(statement, *parameters)

    def close(self):
        self.database.close()
