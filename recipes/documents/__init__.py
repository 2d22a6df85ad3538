"""How the documents are made: facts and pictures of the pages on numbers, and the reference of commands and API."""
