"""Connects by each line on stdin, and prints who the database says it is, or why not."""

import sys

import psycopg

for line in sys.stdin:
    try:
        with psycopg.connect(line) as connection:
            print("connected", connection.execute("select current_user").fetchone()[0])
    except psycopg.Error as e:
        print(" ".join(str(e).split()))
