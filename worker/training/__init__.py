"""Turns a frozen plan and a file of chats into a tuned model, in a process of its own that talks through files."""
