"""The documentation site: what is made of the program itself when the site is built."""
