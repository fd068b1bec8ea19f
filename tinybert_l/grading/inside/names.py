"""Tell which global names a piece of code defines, and which it reads; no line of it is run."""

import symtable

TEST_FILE = "<test>"  # stands in tracebacks for the name of a file


def names_in(source: str) -> tuple[set[str], set[str]]:
    """Return the global names that a cell defines, and those that it reads.

    Raises:
        SyntaxError: it is no Python.
    """
    module = symtable.symtable(source, TEST_FILE, "exec")
    defined = set()
    for symbol in module.get_symbols():
        if symbol.is_assigned() or symbol.is_imported() or symbol.is_namespace():
            defined.add(symbol.get_name())
    read = set()
    tables = [module]
    while tables:
        table = tables.pop()
        tables.extend(table.get_children())
        for symbol in table.get_symbols():
            if symbol.is_referenced() and (table is module or symbol.is_global()):
                read.add(symbol.get_name())
    return defined, read
