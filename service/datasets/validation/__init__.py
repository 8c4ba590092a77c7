"""Reads training data line by line and says everything that is wrong with it. Pure: bytes in, findings out.

    bytes ─ lines ─▶ one line ─ texts ─▶ JSON value ─ formats ─▶ chat            names every problem
                                                   ├─▶ preference
                                                   ├─▶ reinforcement
                                                   └─▶ completion

    chat · preference · reinforcement ─▶ dialogues ─▶ messages ─▶ contents ─▶ images      each message by itself
                                             ├─▶ tools ─▶ schemas                         what is declared
                                             └─▶ conversations                            order, calls and answers

Every kind of finding stands in `kinds`, with its severity and its rule. What a good line says is in `speeches`.
"""
