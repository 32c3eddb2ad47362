"""An offline mailbox: takes mail by SMTP, keeps it on disk, shows it on a page. For the demo and the tests.

`store` keeps the messages, `smtp` takes them, `web` shows them and answers the JSON calls of tests, `reading` takes a
message apart. Nothing is ever sent on.
"""
