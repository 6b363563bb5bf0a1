"""check: is this gradient right? gradcheck checks your function, `python -m tinyae.check` all of the library's."""
