"""A campaign's base: another Cranelift that each finding is run against as well.

``asker`` says what the base does with one case, ``background`` has a process ask while a campaign
goes on and sorts the findings, ``interestingness`` keeps minimising from drifting to what is old.
"""
