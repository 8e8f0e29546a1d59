"""Registers of 512 bits as values of compiled code, for processors with AVX-512 VBMI.

Each operation is one or a few instructions. A register is read from and written to any element of an array; bytes, shorts and words
count from 0 up. None of this runs uncompiled, nor on another processor: kernels that use it declare themselves by `where_fit`.
"""

from typing import Any, Final

from llvmlite import binding, ir
from numba import config, types
from numba.core import cgutils
from numba.extending import intrinsic, models, register_model

NEEDED: Final = ("avx512f", "avx512bw", "avx512dq", "avx512vl", "avx512vbmi")
BYTE, SHORT, WORD, LONG = (ir.IntType(bits) for bits in (8, 16, 32, 64))


def _is_fit() -> bool:
    """Whether kernels are compiled, and for a processor that has the instructions."""
    if config.DISABLE_JIT or config.CPU_NAME or config.CPU_FEATURES:
        return False
    features = binding.get_host_cpu_features()
    return all(features.get(name, False) for name in NEEDED)


IS_FIT: Final = _is_fit()


def where_fit(signature: Any) -> Any:
    """The signature of a kernel on a processor that has the instructions; none elsewhere, so that nothing is compiled there."""
    return signature if IS_FIT else None


class Register(types.Type):  # type: ignore[misc]
    """A numba type for `count` lanes of one machine type."""

    def __init__(self, name: str, lane: Any, count: int) -> None:
        self.vector = ir.VectorType(lane, count)
        super().__init__(name=name)


@register_model(Register)
class _RegisterModel(models.PrimitiveModel):  # type: ignore[misc]
    def __init__(self, dmm: Any, fe_type: Any) -> None:
        super().__init__(dmm, fe_type, fe_type.vector)


BYTES: Final = Register("Register(64 bytes)", BYTE, 64)
SHORTS: Final = Register("Register(32 shorts)", SHORT, 32)
WORDS: Final = Register("Register(16 words)", WORD, 16)
LONGS: Final = Register("Register(8 longs)", LONG, 8)
FLOATS: Final = Register("Register(8 floats)", ir.DoubleType(), 8)
SINGLES: Final = Register("Register(16 singles)", ir.FloatType(), 16)


def _place(context, builder, array, value, index, vector):  # type: ignore[no-untyped-def]
    data = context.make_array(array)(context, builder, value).data
    return builder.bitcast(builder.gep(data, [index]), vector.as_pointer())


def _call(builder, name, result, arguments):  # type: ignore[no-untyped-def]
    kind = ir.FunctionType(result, [argument.type for argument in arguments])
    return builder.call(cgutils.get_or_insert_function(builder.module, kind, name), arguments)


def _undefined(vector):  # type: ignore[no-untyped-def]
    return ir.Constant(vector, ir.Undefined)


def _each(vector, number):  # type: ignore[no-untyped-def]
    return ir.Constant(vector, [number] * vector.count)


def _lanes(builder, value, places):  # type: ignore[no-untyped-def]
    """The lanes of a register at constant places."""
    lanes = ir.Constant(ir.VectorType(WORD, len(places)), list(places))
    return builder.shuffle_vector(value, _undefined(value.type), lanes)


def _fill(builder, scalar, vector):  # type: ignore[no-untyped-def]
    first = builder.insert_element(_undefined(vector), scalar, WORD(0))
    return _lanes(builder, first, [0] * vector.count)


def _loader(register):  # type: ignore[no-untyped-def]
    """Read a register from an array, from element i on."""

    def load(typing_context, array, i):  # type: ignore[no-untyped-def]
        def generate(context, builder, signature, args):  # type: ignore[no-untyped-def]
            return builder.load(_place(context, builder, array, *args, register.vector), align=1)

        return register(array, types.uint64), generate

    return intrinsic(load)


load_bytes = _loader(BYTES)
load_shorts = _loader(SHORTS)
load_words = _loader(WORDS)
load_longs = _loader(LONGS)
load_floats = _loader(FLOATS)


@intrinsic
def store(typing_context, array, i, register):  # type: ignore[no-untyped-def]
    """Write a register to an array, from element i on."""

    def generate(context, builder, signature, args):  # type: ignore[no-untyped-def]
        builder.store(args[2], _place(context, builder, array, args[0], args[1], register.vector), align=1)
        return context.get_dummy_value()

    return types.void(array, types.uint64, register), generate


def _filler(register, scalar):  # type: ignore[no-untyped-def]
    """A register with one number in every lane."""

    def fill(typing_context, number):  # type: ignore[no-untyped-def]
        def generate(context, builder, signature, args):  # type: ignore[no-untyped-def]
            return _fill(builder, args[0], register.vector)

        return register(scalar), generate

    return intrinsic(fill)


all_bytes = _filler(BYTES, types.uint8)
all_shorts = _filler(SHORTS, types.uint16)
all_longs = _filler(LONGS, types.int64)


def _adder(register, operation):  # type: ignore[no-untyped-def]
    """Lane plus lane."""

    def add(typing_context, a, b):  # type: ignore[no-untyped-def]
        def generate(context, builder, signature, args):  # type: ignore[no-untyped-def]
            return getattr(builder, operation)(*args)

        return register(register, register), generate

    return intrinsic(add)


add_shorts = _adder(SHORTS, "add")
add_longs = _adder(LONGS, "add")
add_floats = _adder(FLOATS, "fadd")


def _counter(comparison):  # type: ignore[no-untyped-def]
    """How many of the 16 singles from element i on compare so with x; none that is NaN."""

    def count(typing_context, singles, i, x):  # type: ignore[no-untyped-def]
        def generate(context, builder, signature, args):  # type: ignore[no-untyped-def]
            place = _place(context, builder, singles, args[0], args[1], SINGLES.vector)
            numbers = builder.load(place, align=1)
            found = builder.fcmp_ordered(comparison, numbers, _fill(builder, args[2], SINGLES.vector))
            return builder.zext(_call(builder, "llvm.ctpop.i16", SHORT, [builder.bitcast(found, SHORT)]), LONG)

        return types.uint64(singles, types.uint64, types.float32), generate

    return intrinsic(count)


count_below = _counter("<")
count_equal = _counter("==")


@intrinsic
def ask(typing_context, leaves, bins, lowest, more, bit):  # type: ignore[no-untyped-def]
    """Set `bit` in those bytes of `leaves` whose bin lies from `lowest` to `lowest` + `more`."""

    def generate(context, builder, signature, args):  # type: ignore[no-untyped-def]
        leaves, bins, lowest, more, bit = args
        answers = builder.icmp_unsigned("<=", builder.sub(bins, lowest), more)
        bits = builder.select(answers, _fill(builder, bit, BYTES.vector), _each(BYTES.vector, 0))
        return builder.or_(leaves, bits)

    return BYTES(BYTES, BYTES, BYTES, BYTES, types.uint8), generate


@intrinsic
def pick_bytes(typing_context, a, b, c, d, places):  # type: ignore[no-untyped-def]
    """For each place 0 to 255, that byte of a, b, c and d, one after another."""

    def generate(context, builder, signature, args):  # type: ignore[no-untyped-def]
        a, b, c, d, places = args
        low = _call(builder, "llvm.x86.avx512.vpermi2var.qi.512", BYTES.vector, [a, places, b])
        high = _call(builder, "llvm.x86.avx512.vpermi2var.qi.512", BYTES.vector, [c, places, d])
        return builder.select(builder.icmp_signed("<", places, _each(BYTES.vector, 0)), high, low)

    return BYTES(BYTES, BYTES, BYTES, BYTES, BYTES), generate


@intrinsic
def pick_shorts(typing_context, a, b, places):  # type: ignore[no-untyped-def]
    """For each place 0 to 63, that short of a and b, one after another."""

    def generate(context, builder, signature, args):  # type: ignore[no-untyped-def]
        a, b, places = args
        return _call(builder, "llvm.x86.avx512.vpermi2var.hi.512", SHORTS.vector, [a, places, b])

    return SHORTS(SHORTS, SHORTS, SHORTS), generate


@intrinsic
def pick_words(typing_context, a, b, c, d, places):  # type: ignore[no-untyped-def]
    """For each place 0 to 63, that word of a, b, c and d, one after another."""

    def generate(context, builder, signature, args):  # type: ignore[no-untyped-def]
        a, b, c, d, places = args
        low = _call(builder, "llvm.x86.avx512.vpermi2var.d.512", WORDS.vector, [a, places, b])
        high = _call(builder, "llvm.x86.avx512.vpermi2var.d.512", WORDS.vector, [c, places, d])
        is_high = builder.icmp_unsigned("!=", builder.and_(places, _each(WORDS.vector, 32)), _each(WORDS.vector, 0))
        return builder.select(is_high, high, low)

    return WORDS(WORDS, WORDS, WORDS, WORDS, WORDS), generate


def _widener(register):  # type: ignore[no-untyped-def]
    """64 bytes as registers of wider lanes, in order."""
    parts = types.UniTuple(register, 64 // register.vector.count)

    def widen(typing_context, narrow):  # type: ignore[no-untyped-def]
        def generate(context, builder, signature, args):  # type: ignore[no-untyped-def]
            width = register.vector.count
            pieces = [_lanes(builder, args[0], range(first, first + width)) for first in range(0, 64, width)]
            return context.make_tuple(builder, parts, [builder.zext(piece, register.vector) for piece in pieces])

        return parts(BYTES), generate

    return intrinsic(widen)


widen_to_shorts = _widener(SHORTS)
widen_to_words = _widener(WORDS)


@intrinsic
def join_words(typing_context, low, high):  # type: ignore[no-untyped-def]
    """Two registers of floats out of their low and high words."""
    halves = types.UniTuple(FLOATS, 2)

    def generate(context, builder, signature, args):  # type: ignore[no-untyped-def]
        parts = []
        for first in (0, 8):
            order = [16 * half + first + i for i in range(8) for half in (0, 1)]
            pairs = builder.shuffle_vector(*args, ir.Constant(ir.VectorType(WORD, 16), order))
            parts.append(builder.bitcast(pairs, FLOATS.vector))
        return context.make_tuple(builder, halves, parts)

    return halves(WORDS, WORDS), generate


@intrinsic
def join_limbs(typing_context, a, b, c, d):  # type: ignore[no-untyped-def]
    """A + b 2^12 + c 2^24 + d 2^36 as four registers of longs."""
    quarters = types.UniTuple(LONGS, 4)

    def generate(context, builder, signature, args):  # type: ignore[no-untyped-def]
        parts = []
        for first in range(0, 32, 8):
            limbs = [builder.zext(_lanes(builder, limb, range(first, first + 8)), LONGS.vector) for limb in args]
            total = limbs[0]
            for i, limb in enumerate(limbs[1:], 1):
                total = builder.add(total, builder.shl(limb, _each(LONGS.vector, 12 * i)))
            parts.append(total)
        return context.make_tuple(builder, quarters, parts)

    return quarters(SHORTS, SHORTS, SHORTS, SHORTS), generate
