"""The time by which deadlines are judged: the database's, one clock for every web server and worker."""

from datetime import datetime

from django.db import connection


def database_now() -> datetime:
    """The database's wall clock, aware UTC; moves on inside a transaction. One round trip."""
    with connection.cursor() as cursor:
        cursor.execute("SELECT clock_timestamp()")
        row = cursor.fetchone()
    moment: datetime = row[0]
    return moment
