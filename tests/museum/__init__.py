"""The museum: mistakes that were published, each beside the right lines and the test that catches it.

    python tests/museum/run.py                  put each mistake into the library, break every vjp: all is caught
    python tests/museum/run.py --write-docs     write docs/museum.md from the exhibits

An exhibit is a file in exhibits/: its docstring tells the story, `wrong` and `right` are the lines, `outcome()`
computes what comes out, `install(put)` puts the mistake into the library, and one of its tests, which the suite runs
like any others, must fail once it is there. catalogue.py says which exhibits there are.
"""
