"""Telling people: who wants mail of which events, and the mails that are sent to them."""
