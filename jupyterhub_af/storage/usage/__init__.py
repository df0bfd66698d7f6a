"""How full trees are: counted aside, kept in an index for each, answered from it."""
