"""From findings to faults: what a failure is called, which belong together, and who is to blame.

``symptom`` says what a failure looks like, ``bucket`` what tells one fault from another, ``blame``
who is to blame for it and what decides it, ``fold`` puts findings of one fault together.
"""
