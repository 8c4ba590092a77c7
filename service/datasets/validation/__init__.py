"""Reads training data line by line and says everything that is wrong with it. Pure: bytes in, findings out.

    bytes ─ lines ─▶ one line ─ acceptance ─▶ certainly clean          the fast way, most lines
                        └─ texts ─▶ JSON value ─ chat ─▶ findings      the slow way, which names every problem
                                                          └─ tally ─▶ exact counts, and the first of each kind
"""
