"""Arrays read as other types, and caches asked ahead.

Compiled, each is an instruction or none; uncompiled, plain Python that gives the same numbers.
"""

from llvmlite import ir
from numba import types
from numba.core import cgutils
from numba.extending import intrinsic, overload


def as_type(array, dtype):  # type: ignore[no-untyped-def]
    """The bytes of a contiguous array as another dtype. Compiled, the array must outlive what is returned."""
    return array.view(dtype)


@intrinsic
def _borrow(typing_context, array, dtype):  # type: ignore[no-untyped-def]
    """A view that holds no reference: counting references costs more than a tree."""
    result = types.Array(dtype.dtype, 1, "C", readonly=not array.mutable)

    def generate(context, builder, signature, args):  # type: ignore[no-untyped-def]
        source = context.make_array(array)(context, builder, args[0])
        view = context.make_array(result)(context, builder)
        width = context.get_abi_sizeof(context.get_data_type(result.dtype))
        own = context.get_abi_sizeof(context.get_data_type(array.dtype))
        size = context.get_constant(types.intp, width)
        count = builder.udiv(builder.mul(source.nitems, context.get_constant(types.intp, own)), size)
        context.populate_array(
            view,
            data=builder.bitcast(source.data, context.get_data_type(result.dtype).as_pointer()),
            shape=cgutils.pack_array(builder, [count]),
            strides=cgutils.pack_array(builder, [size]),
            itemsize=size,
            meminfo=None,
        )
        return view._getvalue()  # noqa: SLF001 - numba has no public name for it

    return result(array, dtype), generate


@overload(as_type, jit_options={"forceinline": True})
def _compile_as_type(array, dtype):  # type: ignore[no-untyped-def]
    def borrow(array, dtype):  # type: ignore[no-untyped-def]
        return _borrow(array, dtype)

    return borrow


def prefetch(array, i):  # type: ignore[no-untyped-def]
    """Ask the caches for the line that holds element i, which may lie beyond the end."""


@intrinsic
def _prefetch(typing_context, array, i):  # type: ignore[no-untyped-def]
    def generate(context, builder, signature, args):  # type: ignore[no-untyped-def]
        data = context.make_array(array)(context, builder, args[0]).data
        byte, word = ir.IntType(8), ir.IntType(32)
        place = builder.bitcast(builder.gep(data, [args[1]]), byte.as_pointer())
        kind = ir.FunctionType(ir.VoidType(), [byte.as_pointer(), word, word, word])
        function = cgutils.get_or_insert_function(builder.module, kind, "llvm.prefetch.p0")
        builder.call(function, [place, word(0), word(3), word(1)])
        return context.get_dummy_value()

    return types.void(array, types.uint64), generate


@overload(prefetch, jit_options={"forceinline": True})
def _compile_prefetch(array, i):  # type: ignore[no-untyped-def]
    def ask(array, i):  # type: ignore[no-untyped-def]
        return _prefetch(array, i)

    return ask
