"""The service ``af``: owner of the facility's one database.

It gives people and groups their names and numbers once and for ever, records the plan
of every start, keeps the audit, and answers the Lab plugin. Words: the *register* gives
numbers, a *store* is the database, the *catalogue* is the facility file as last read,
a *refusal* is a "no" with its words and the rule behind it.
"""
