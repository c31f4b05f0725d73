"""The sandbox's state on disk (`opsctl sandbox up --state DIR`): written as it changes, read back by the next server.

What there is, moto's tables and our own services' alike, is one graph of objects (`world`), which is pickled as a whole
(`pickling`) by a copy of the server, a moment after something has changed (`writer`), while no request is half carried
out (`gate`). The contents of S3's objects lie beside it, a file each, written once (`contents`). `directory` says what
lies where, who holds it, and whether it may be read. docs/adr/0017 says why it is so.
"""
