/* The hand-written half of a kernel: vector mathematics, and the integration of many persons in the lanes of vectors.
 *
 * `c.py` puts the generated half (sizes, equations, methods) where the mark stands. Every lane carries a person of its
 * own, with their own time, step and schedule; no operation mixes lanes, so what a person gets cannot depend on company.
 */
#include <math.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#if defined(__SSE2__)
#include <immintrin.h>
#endif

#define EXPORT __attribute__((visibility("default")))
#define INLINE static inline __attribute__((always_inline))
#define APART static __attribute__((noinline))

typedef double V __attribute__((vector_size(8 * LANES)));
typedef int64_t I __attribute__((vector_size(8 * LANES)));

INLINE V splat(double x) { return (V){} + x; }
INLINE I choose_bits(I mask, I a, I b) { return (mask & a) | (~mask & b); }

/* A relation and the choice by it in one, because some processors keep the outcome in registers of another kind. */
#if defined(__AVX512VL__) && (LANES == 8 || LANES == 2) /* what both compute is the same, bit for bit */
#if LANES == 8
typedef __m512d Native;
typedef __m512i NativeI;
#define NATIVE(name) _mm512_##name
#else
typedef __m128d Native;
typedef __m128i NativeI;
#define NATIVE(name) _mm_##name
#endif
#define CHOOSE(a, relation, b, so, not_so) \
    ((V)NATIVE(mask_blend_pd)(NATIVE(cmp_pd_mask)((Native)(a), (Native)(b), relation), (Native)(not_so), (Native)(so)))
INLINE V less(V a, V b, V so, V not_so) { return CHOOSE(a, _CMP_LT_OQ, b, so, not_so); }
INLINE V less_equal(V a, V b, V so, V not_so) { return CHOOSE(a, _CMP_LE_OQ, b, so, not_so); }
INLINE V equal(V a, V b, V so, V not_so) { return CHOOSE(a, _CMP_EQ_OQ, b, so, not_so); }
INLINE V minimum(V a, V b) { return (V)NATIVE(min_pd)((Native)a, (Native)b); }
INLINE V maximum(V a, V b) { return (V)NATIVE(max_pd)((Native)a, (Native)b); }
INLINE V square_root(V x) { return (V)NATIVE(sqrt_pd)((Native)x); }
INLINE V rough_reciprocal(V x) { return (V)NATIVE(rcp14_pd)((Native)x); } /* to 1 in 16,000; for sizes of errors only */
/* A guess and two corrections, exact to an ulp, for arguments that are neither zero nor infinite. Three times as fast
 * as to divide, but it takes the units that multiply; where those are busy, dividing costs less. */
INLINE V quick_reciprocal(V x)
{
    Native one = NATIVE(set1_pd)(1.0), a = (Native)x, guess = NATIVE(rcp14_pd)(a), off = NATIVE(fnmadd_pd)(a, guess, one);
    guess = NATIVE(fmadd_pd)(NATIVE(fmadd_pd)(off, off, off), guess, guess);
    return (V)NATIVE(fmadd_pd)(NATIVE(fnmadd_pd)(a, guess, one), guess, guess);
}
#else
#if defined(__AVX2__) && LANES == 4
#define CHOOSE(a, relation, b, so, not_so) \
    ((V)_mm256_blendv_pd((__m256d)(not_so), (__m256d)(so), _mm256_cmp_pd((__m256d)(a), (__m256d)(b), relation)))
INLINE V less(V a, V b, V so, V not_so) { return CHOOSE(a, _CMP_LT_OQ, b, so, not_so); }
INLINE V less_equal(V a, V b, V so, V not_so) { return CHOOSE(a, _CMP_LE_OQ, b, so, not_so); }
INLINE V equal(V a, V b, V so, V not_so) { return CHOOSE(a, _CMP_EQ_OQ, b, so, not_so); }
INLINE V minimum(V a, V b) { return (V)_mm256_min_pd((__m256d)a, (__m256d)b); }
INLINE V maximum(V a, V b) { return (V)_mm256_max_pd((__m256d)a, (__m256d)b); }
INLINE V square_root(V x) { return (V)_mm256_sqrt_pd((__m256d)x); }
#else
INLINE V less(V a, V b, V so, V not_so) { return (V)choose_bits(a < b, (I)so, (I)not_so); }
INLINE V less_equal(V a, V b, V so, V not_so) { return (V)choose_bits(a <= b, (I)so, (I)not_so); }
INLINE V equal(V a, V b, V so, V not_so) { return (V)choose_bits(a == b, (I)so, (I)not_so); }
INLINE V minimum(V a, V b) { return less(a, b, a, b); } /* of NaN: the second, as the processors have it */
INLINE V maximum(V a, V b) { return less(b, a, a, b); }
INLINE V square_root(V x)
{
    double each[LANES];
    memcpy(each, &x, sizeof x);
    for (int lane = 0; lane < LANES; lane++) each[lane] = __builtin_sqrt(each[lane]);
    memcpy(&x, each, sizeof x);
    return x;
}
#endif
INLINE V rough_reciprocal(V x) { return 1.0 / x; }
INLINE V quick_reciprocal(V x) { return 1.0 / x; }
#endif
INLINE V reciprocal(V x) { return 1.0 / x; }
INLINE V magnitude(V x) { return (V)((I)x & INT64_MAX); }
#define ROUNDING 6755399441055744.0 /* 1.5 * 2^52: adding it leaves the nearest integer in the low bits */
#define ROUNDING_BITS 0x4338000000000000
#define LN2_HIGH 0.6931471803691238 /* 32 bits, so that its multiples are exact */
#define LN2_LOW 1.9082149292705877e-10
#define INFINITE splat(__builtin_inf())

/* exp(r) - 1 for |r| <= ln(2)/2; through Chebyshev nodes, relative error of exp 1.6e-17. */
INLINE V exponential_minus_one_near_zero(V r)
{
    V square = r * r, fourth = square * square;
    V a = 0.5000000000000001 + r * 0.16666666666666669, b = 0.04166666666662399 + r * 0.008333333333330051;
    V c = 0.0013888888917281794 + r * 0.00019841269863105968, d = 2.480152119021773e-05 + r * 2.7557268378684192e-06;
    V e = 2.7620138719733994e-07 + r * 2.5100424157005067e-08;
    V polynomial = (a + square * b) + fourth * ((c + square * d) + fourth * e);
    return r + square * polynomial;
}

/* Two to the power of an integer that was left in the low bits by ROUNDING; -1022 to 1023. */
INLINE V power_of_two(V shifted) { return (V)(((I)shifted - ROUNDING_BITS + 1023) << 52); }

#ifdef NATIVE
/* What stands in a table of sixteen, by the low four bits of each lane. */
INLINE V look_up(const double *table, I which)
{
#if LANES == 8
    return (V)_mm512_permutex2var_pd(_mm512_load_pd(table), (__m512i)which, _mm512_load_pd(table + 8));
#else
    return (V){table[which[0] & 15], table[which[1] & 15]};
#endif
}

static const double SIXTEENTHS[16] __attribute__((aligned(64))) = { /* 2^(i/16) */
    1.0, 1.0442737824274138, 1.0905077326652577, 1.1387886347566916, 1.189207115002721, 1.241857812073484,
    1.2968395546510096, 1.3542555469368927, 1.4142135623730951, 1.4768261459394993, 1.5422108254079407,
    1.6104903319492543, 1.681792830507429, 1.7562521603732995, 1.8340080864093424, 1.9152065613971474,
};

/* exp: x = ln 2 (n + i/16) + r with |r| <= ln(2)/32; the series of exp r is exact to 3e-17. */
#define ROUNDING_SIXTEENTHS 422212465065984.0 /* 1.5 * 2^48: adding it leaves the nearest sixteenth in the low bits */
INLINE V exponential(V x)
{
    x = minimum(splat(1100.0), maximum(splat(-1100.0), x));
    V shifted = x * 1.4426950408889634 + ROUNDING_SIXTEENTHS, turns = shifted - ROUNDING_SIXTEENTHS;
    V r = (x - turns * LN2_HIGH) - turns * LN2_LOW, square = r * r, part = look_up(SIXTEENTHS, (I)shifted);
    V high = (0.04166666666495362 + r * 0.008333449934107185) + square * 0.0013889034639665864;
    V less_one = r + square * ((0.5 + r * 0.16666666665296223) + square * high);
    return (V)NATIVE(scalef_pd)((Native)(part + part * less_one), (Native)turns); /* takes the whole of turns */
}

/* Numbers near 1/m by the first four bits of m after the point, for 0.75 <= m < 1.5; exactly 1 around 1. */
static const double INVERSE[16] __attribute__((aligned(64))) = {
    1.0, 0.9142857193946838, 0.8648648858070374, 0.8205128312110901, 0.7804877758026123, 0.7441860437393188,
    0.7111111283302307, 0.6808510422706604, 1.3061224222183228, 1.2549020051956177, 1.2075471878051758,
    1.163636326789856, 1.1228070259094238, 1.0847457647323608, 1.049180269241333, 1.0,
};
static const double INVERSE_LOG[16] __attribute__((aligned(64))) = { /* minus their logarithms */
    0.0, 0.0896121531017517, 0.14518198563011125, 0.19782573029140393, 0.24783620115748495, 0.2954642166191262,
    0.3409265627562066, 0.3844117305753001, -0.2670627647599484, -0.2270574860256033, -0.1885911847087111,
    -0.1515498664622329, -0.11583182297570227, -0.08134564131659755, -0.04800916330700457, 0.0,
};

/* log: x = 2^e m, and m times its entry is 1 + f with -1/32 <= f < 1/16; the series of log(1 + f) is exact to 3e-17. */
INLINE V logarithm(V x)
{
    x += 0.0; /* the logarithm of -0 is that of 0 */
    Native m = NATIVE(getmant_pd)((Native)x, _MM_MANT_NORM_p75_1p5, _MM_MANT_SIGN_nan);
    V e = (V)NATIVE(getexp_pd)((Native)x) - (V)NATIVE(getexp_pd)(m);
    I which = (I)NATIVE(srli_epi64)((NativeI)m, 48);
    V f = (V)m * look_up(INVERSE, which) - 1.0, w = f * f;
    V low = (-0.49999999999999994 + f * 0.33333333333340287) + w * (-0.2500000000009317 + f * 0.1999999995328674);
    V high = (-0.16666665870721806 + f * 0.1428579138027727) + w * (-0.12501839998216407 + f * 0.11081912861679763);
    V series = low + w * w * (high + w * w * -0.088437987998088);
    return (e * LN2_HIGH + look_up(INVERSE_LOG, which)) + (f + (w * series + e * LN2_LOW));
}
#else
/* exp: 0 below -708 and infinite above 709, where neighbouring numbers would not be normal. */
INLINE V exponential(V x)
{
    V shifted = x * 1.4426950408889634 + ROUNDING, turns = shifted - ROUNDING;
    V r = (x - turns * LN2_HIGH) - turns * LN2_LOW;
    V scale = power_of_two(shifted);
    V value = scale + scale * exponential_minus_one_near_zero(r);
    value = less(splat(709.0), x, INFINITE, value);
    return less(x, splat(-708.0), splat(0.0), value);
}

/* log: -infinite at zero (and below the smallest normal number), NaN below; the reduction is that of fdlibm. */
INLINE V logarithm(V x)
{
    typedef uint64_t U __attribute__((vector_size(8 * LANES)));
    I bits = (I)x, above = bits - 0x3fe6a09e667f3bcd + 0x4000000000000000; /* positive: few have signed shifts */
    I whole = (I)((U)above >> 52) - 0x400;
    V m = (V)(bits - (whole << 52));
    V exponent = (V)(whole + ROUNDING_BITS) - ROUNDING;
    V f = m - 1.0, s = f * quick_reciprocal(2.0 + f), z = s * s, w = z * z;
    V odd = w * (0.3999999999940941908 + w * (0.2222219843214978396 + w * 0.1531383769920937332));
    V even = z * (0.6666666666666735130 + w * (0.2857142874366239149 + w * (0.1818357216161805012 + w * 0.1479819860511658591)));
    V half = 0.5 * f * f;
    V value = exponent * LN2_HIGH - ((half - (s * (half + odd + even) + exponent * LN2_LOW)) - f);
    value = less(x, INFINITE, value, x); /* infinite or NaN as it came */
    V below = equal(x, splat(0.0), -INFINITE, splat(__builtin_nan("")));
    return less(x, splat(2.2250738585072014e-308), less(x, splat(0.0), below, -INFINITE), value);
}
#endif

INLINE V hyperbolic_tangent(V x)
{
    V twice = minimum(splat(40.0), 2.0 * magnitude(x));
    V shifted = twice * 1.4426950408889634 + ROUNDING, turns = shifted - ROUNDING;
    V scale = power_of_two(shifted);
    V r = (twice - turns * LN2_HIGH) - turns * LN2_LOW;
    V e = scale * exponential_minus_one_near_zero(r) + (scale - 1.0);
    V value = e / (e + 2.0);
    return (V)((I)value | ((I)x & INT64_MIN));
}

#define ROOM(count) ((count) > 0 ? (count) : 1)

/* What one step works on: parameters, what follows from them alone (c), states, rates, Jacobian, factors, stages. */
typedef struct {
    V p[ROOM(PARAMETERS)], c[ROOM(CONSTANTS)], y[STATES], f[STATES], j[ROOM(ENTRIES)], m[ROOM(FACTORS)];
    V k[STAGES][STATES], u[STATES], e[STATES], z[STATES], q[TERMS][STATES], h;
} Work;

/* `step` fills u (the states after h) and e (their error); `dense` then fills q, a polynomial in the part of h. */
typedef struct {
    void (*step)(Work *restrict);
    void (*dense)(Work *restrict);
    double order; /* of the error of a step */
} Method;

/* ---- the generated half ---- */

#define AT(array, row, lane) (((double *)(array))[(row) * LANES + (lane)])
#define SLOTS 16 /* how many kinds of restart a person remembers a first step for */
#define MEMORY (1 + SLOTS)
#define SAFETY 0.9
#define GROW 6.0
#define SHRINK 0.2
#define SMALLEST_STEP 1e-13 /* relative to the time that was reached */

enum { SET, SCALE, ADD, MARK };
enum { OK, STEADY, OUT_OF_RANGE, TOO_MANY_STEPS, STEP_TOO_SMALL, NOT_FINITE, BAD_SCHEDULE };

typedef struct {
    int64_t persons, schedules, samples, kept, steps_allowed, method, landing;
    double start, end, relative, longest_step, steady;
    const double *parameters, *current, *initial, *memory; /* current and memory may be absent */
    const int64_t *schedule, *first, *kind, *index;
    const double *time, *value, *sample;
    const int64_t *keep;
    const double *absolute, *low, *high; /* low and high may be absent */
    const uint8_t *may_drift;
    double *states, *final, *final_parameters, *final_memory, *reached;
    int64_t *status, *steps, *rejected;
    int64_t next;
} Problem;

/* One vector of persons. Arrays of doubles inside are one number a lane. */
typedef struct {
    Work work;
    V t, h, stop;
    double table[LANES][SLOTS];
    int64_t person[LANES], event[LANES], events_end[LANES], sample[LANES], steps[LANES], rejected[LANES];
    int slot[LANES], fresh[LANES], failed[LANES], estimate, changed, busy;
} Group;

INLINE int64_t next_person(Problem *problem) { return __atomic_fetch_add(&problem->next, 1, __ATOMIC_RELAXED); }

static int schedule_is_bad(const Problem *problem, int64_t schedule)
{
    if (schedule < 0 || schedule >= problem->schedules) return 1;
    int64_t from = problem->first[schedule], to = problem->first[schedule + 1];
    if (from < 0 || to < from) return 1;
    for (int64_t e = from; e < to; e++) {
        int64_t limit = problem->kind[e] == ADD ? STATES : problem->kind[e] == MARK ? INT64_MAX : PARAMETERS;
        if (problem->kind[e] < SET || problem->kind[e] > MARK || !isfinite(problem->time[e])) return 1;
        if (problem->index[e] < 0 || problem->index[e] >= limit) return 1;
        if (e > from && problem->time[e] < problem->time[e - 1]) return 1;
    }
    return 0;
}

/* The slot of the memory that a kind of restart shares with its like of other days. */
static int slot_of(const Problem *problem, int64_t e)
{
    uint64_t bits;
    memcpy(&bits, &problem->value[e], sizeof bits);
    bits = (bits ^ (uint64_t)(problem->kind[e] * 131 + problem->index[e] * 7 + 1)) * 0x9e3779b97f4a7c15;
    return (int)(bits >> 60) & (SLOTS - 1);
}

static double next_stop(const Problem *problem, const Group *group, int lane)
{
    double stop = problem->end;
    int64_t e = group->event[lane], k = group->sample[lane];
    if (e < group->events_end[lane] && problem->time[e] < stop) stop = problem->time[e];
    if (problem->landing && k < problem->samples && problem->sample[k] < stop) stop = problem->sample[k];
    return stop;
}

static void keep_sample(const Problem *problem, Group *group, int lane, const V *y)
{
    double *out = problem->states + (group->person[lane] * problem->samples + group->sample[lane]) * problem->kept;
    for (int64_t i = 0; i < problem->kept; i++) out[i] = AT(y, problem->keep[i], lane);
    group->sample[lane]++;
}

/* Begin a segment: the step that served the last restart of this kind, or one from the rates. */
static void restart(Group *group, int lane, int slot)
{
    double h = slot < 0 ? 0.0 : group->table[lane][slot];
    group->slot[lane] = slot;
    group->fresh[lane] = 1;
    group->failed[lane] = 0;
    if (h > 0.0) AT(&group->h, 0, lane) = h;
    else group->fresh[lane] = 2, group->estimate = 1;
}

/* Apply every event of this time; the others of the schedule that lie before it are passed over. */
static int apply_events(const Problem *problem, Group *group, int lane, double time)
{
    int slot = -1;
    int64_t e = group->event[lane], end = group->events_end[lane];
    const double *base = problem->parameters + group->person[lane] * PARAMETERS;
    while (e < end && problem->time[e] < time) e++;
    for (; e < end && problem->time[e] == time; e++) {
        int64_t i = problem->index[e];
        if (slot < 0) slot = slot_of(problem, e);
        switch (problem->kind[e]) {
        case SET: AT(group->work.p, i, lane) = problem->value[e]; break;
        case SCALE: AT(group->work.p, i, lane) = base[i] * problem->value[e]; break;
        case ADD: AT(group->work.y, i, lane) += problem->value[e]; break;
        default: break;
        }
    }
    group->event[lane] = e;
    group->changed = 1;
    return slot;
}

static void report(const Problem *problem, const Group *group, int lane, int status)
{
    int64_t n = group->person[lane];
    double *row = problem->states + n * problem->samples * problem->kept;
    for (int64_t i = group->sample[lane] * problem->kept; i < problem->samples * problem->kept; i++) row[i] = NAN;
    for (int i = 0; i < STATES; i++) problem->final[n * STATES + i] = AT(group->work.y, i, lane);
    for (int i = 0; i < PARAMETERS; i++) problem->final_parameters[n * PARAMETERS + i] = AT(group->work.p, i, lane);
    double *memory = problem->final_memory + n * MEMORY;
    memory[0] = AT(&group->h, 0, lane);
    memcpy(memory + 1, group->table[lane], sizeof group->table[lane]);
    problem->reached[n] = AT(&group->t, 0, lane);
    problem->status[n] = status, problem->steps[n] = group->steps[lane], problem->rejected[n] = group->rejected[lane];
}

/* Put the next person into a lane, or mark it idle; persons who cannot start are reported here. */
static void refill(Problem *problem, Group *group, int lane)
{
    for (;;) {
        int64_t n = next_person(problem);
        group->person[lane] = n < problem->persons ? n : -1;
        AT(&group->t, 0, lane) = problem->start;
        if (n >= problem->persons) {
            AT(&group->h, 0, lane) = AT(&group->stop, 0, lane) = 1.0, AT(&group->t, 0, lane) = 0.0;
            group->busy--;
            return;
        }
        const double *p = (problem->current ? problem->current : problem->parameters) + n * PARAMETERS;
        for (int i = 0; i < PARAMETERS; i++) AT(group->work.p, i, lane) = p[i];
        for (int i = 0; i < STATES; i++) AT(group->work.y, i, lane) = problem->initial[n * STATES + i];
        const double *memory = problem->memory ? problem->memory + n * MEMORY : NULL;
        AT(&group->h, 0, lane) = memory ? memory[0] : 0.0;
        for (int i = 0; i < SLOTS; i++) group->table[lane][i] = memory ? memory[1 + i] : 0.0;
        group->steps[lane] = group->rejected[lane] = group->sample[lane] = 0;
        if (schedule_is_bad(problem, problem->schedule[n])) {
            report(problem, group, lane, BAD_SCHEDULE);
            continue;
        }
        group->event[lane] = problem->first[problem->schedule[n]];
        group->events_end[lane] = problem->first[problem->schedule[n] + 1];
        while (group->sample[lane] < problem->samples && problem->sample[group->sample[lane]] <= problem->start)
            keep_sample(problem, group, lane, group->work.y);
        int slot = apply_events(problem, group, lane, problem->start);
        AT(&group->stop, 0, lane) = next_stop(problem, group, lane);
        restart(group, lane, slot);
        if (slot < 0 && AT(&group->h, 0, lane) > 0.0) group->fresh[lane] = 1;
        return;
    }
}

/* Give lanes whose restart is of a new kind a first step by which no state moves more than a hundredth of its size. */
APART void estimate_first_steps(const Problem *problem, Group *group)
{
    Work *work = &group->work;
    V size = splat(0.0), speed = splat(0.0);
    rates(work->p, work->c, work->y, work->u);
    for (int i = 0; i < STATES; i++) {
        V scale = 1.0 / (problem->absolute[i] + problem->relative * magnitude(work->y[i]));
        V a = work->y[i] * scale, b = work->u[i] * scale;
        size += a * a, speed += b * b;
    }
    V first = less(speed, splat(1e-20), splat(problem->end - problem->start), 0.01 * square_root(size / speed));
    first = less(first, splat(1e-6), splat(1e-6), first);
    for (int lane = 0; lane < LANES; lane++) {
        if (group->fresh[lane] != 2 || group->person[lane] < 0) continue;
        double h = AT(&group->h, 0, lane), estimate = AT(&first, 0, lane);
        if (!(estimate > 0.0)) estimate = 1e-6;
        AT(&group->h, 0, lane) = h > 0.0 && h < estimate ? h : estimate;
        group->fresh[lane] = 1;
    }
    group->estimate = 0;
}

/* Zero, or NaN where one of the rates is not finite. */
INLINE V check_finite(const V *rate)
{
    V sum = splat(0.0);
    for (int i = 0; i < STATES; i++) sum += rate[i] * 0.0;
    return sum;
}

/* The size of the error of a step in units of what is allowed, that of the state that is worst off. */
INLINE V error_of(const Problem *problem, const Work *work)
{
    V most = splat(0.0);
    for (int i = 0; i < STATES; i++) {
        V allowed = problem->absolute[i] + problem->relative * magnitude(work->u[i]);
        most = maximum(most, magnitude(work->e[i]) * rough_reciprocal(allowed));
    }
    return most + check_finite(work->e); /* a largest one forgets a NaN that a finite one follows */
}

/* The largest rate of change, relative to the size of its state [1/h]. */
APART V unrest(const Problem *problem, const Work *work)
{
    V most = splat(0.0);
    for (int i = 0; i < STATES; i++) {
        if (problem->may_drift[i]) continue;
        V size = magnitude(work->y[i]) + problem->absolute[i] / problem->relative;
        most = maximum(most, magnitude(work->f[i]) / size);
    }
    return most;
}

static int is_out_of_range(const Problem *problem, const Group *group, int lane)
{
    if (!problem->low) return 0;
    for (int i = 0; i < STATES; i++) {
        double y = AT(group->work.y, i, lane);
        if (y < problem->low[i] || y > problem->high[i]) return 1;
    }
    return 0;
}

/* Report the samples that accepted steps have passed, one a lane and round. */
static void keep_samples(const Problem *problem, Group *group, V t, V h, V reached, const int *accepted)
{
    Work *work = &group->work;
    V at = splat(0.0), y[STATES];
    int prepared = 0;
    for (;;) {
        int due[LANES], any = 0, within = 0;
        for (int lane = 0; lane < LANES; lane++) {
            int64_t k = group->sample[lane];
            due[lane] = accepted[lane] && k < problem->samples && problem->sample[k] <= AT(&reached, 0, lane);
            AT(&at, 0, lane) = due[lane] ? problem->sample[k] : 0.0;
            any |= due[lane], within |= due[lane] && problem->sample[k] < AT(&reached, 0, lane);
        }
        if (!any) return;
        if (within && !prepared) METHODS[problem->method].dense(work), prepared = 1;
        V part = (at - t) / h;
        for (int64_t i = 0; i < problem->kept; i++) {
            int64_t s = problem->keep[i];
            y[s] = work->u[s];
            if (!within) continue;
            V sum = work->q[TERMS - 1][s];
            for (int term = TERMS - 2; term >= 0; term--) sum = sum * part + work->q[term][s];
            y[s] = less(at, reached, work->y[s] + part * sum, y[s]);
        }
        for (int lane = 0; lane < LANES; lane++)
            if (due[lane]) keep_sample(problem, group, lane, y);
    }
}

/* What follows an accepted step of one lane that reached a stop or an end; 1 where the person is done. */
static int arrive(Problem *problem, Group *group, int lane)
{
    double t = AT(&group->t, 0, lane);
    int status = -1;
    if (is_out_of_range(problem, group, lane)) status = OUT_OF_RANGE;
    else if (t >= problem->end) status = OK;
    if (status >= 0) {
        report(problem, group, lane, status);
        return 1;
    }
    if (t < AT(&group->stop, 0, lane)) return 0;
    int64_t e = group->event[lane];
    if (e < group->events_end[lane] && problem->time[e] == t) restart(group, lane, apply_events(problem, group, lane, t));
    AT(&group->stop, 0, lane) = next_stop(problem, group, lane);
    return 0;
}

/* What follows a rejected step of one lane; 1 where the person is done. */
static int reject(Problem *problem, Group *group, int lane, int is_finite)
{
    double t = fabs(AT(&group->t, 0, lane));
    group->rejected[lane]++;
    group->failed[lane] = 1;
    int status = -1;
    if (group->fresh[lane] && !is_finite) status = NOT_FINITE;
    else if (AT(&group->h, 0, lane) < SMALLEST_STEP * (t > 1.0 ? t : 1.0)) status = STEP_TOO_SMALL;
    if (status < 0) return 0;
    report(problem, group, lane, status);
    return 1;
}

/* Take one step in every lane, and do for each what follows from it. */
static void advance(Problem *problem, Group *group)
{
    const Method *method = &METHODS[problem->method];
    Work *work = &group->work;
    V remaining = group->stop - group->t;
    V wished = minimum(group->h, splat(problem->longest_step));
    V h = less(wished * 2.0, remaining, wished, less(wished * 1.05, remaining, 0.5 * remaining, remaining));
    V reached = equal(h, remaining, group->stop, group->t + h);
    work->h = h;
    method->step(work);
    V start_check = check_finite(work->f), rest = problem->steady > 0.0 ? unrest(problem, work) : splat(1.0);
    V error = error_of(problem, work);
    error = less_equal(error, splat(1e300), maximum(error, splat(1e-8)), splat(1e300)); /* NaN is worst */
    V factor = SAFETY * exponential(logarithm(error) * (-1.0 / method->order));
    factor = maximum(minimum(factor, splat(GROW)), splat(SHRINK));
    int accepted[LANES], sampled = 0;
    for (int lane = 0; lane < LANES; lane++) {
        accepted[lane] = group->person[lane] >= 0 && AT(&error, 0, lane) <= 1.0;
        int64_t k = group->sample[lane];
        sampled |= accepted[lane] && k < problem->samples && problem->sample[k] <= AT(&reached, 0, lane);
    }
    if (sampled) keep_samples(problem, group, group->t, h, reached, accepted);
    for (int i = 0; i < STATES; i++) work->y[i] = less_equal(error, splat(1.0), work->u[i], work->y[i]);
    for (int lane = 0; lane < LANES; lane++) {
        if (group->person[lane] < 0) continue;
        double used = AT(&h, 0, lane);
        int done = 0, quiet = AT(&rest, 0, lane) < problem->steady && group->event[lane] >= group->events_end[lane];
        group->steps[lane]++;
        if (accepted[lane]) {
            double grown = used * (group->failed[lane] ? fmin(1.0, AT(&factor, 0, lane)) : AT(&factor, 0, lane));
            if (group->slot[lane] >= 0) group->table[lane][group->slot[lane]] = used * AT(&factor, 0, lane);
            AT(&group->h, 0, lane) = used < AT(&wished, 0, lane) ? fmax(grown, AT(&wished, 0, lane)) : grown;
            AT(&group->t, 0, lane) = AT(&reached, 0, lane);
            group->slot[lane] = -1, group->fresh[lane] = group->failed[lane] = 0;
            done = arrive(problem, group, lane);
        } else {
            AT(&group->h, 0, lane) = used * fmin(0.9, AT(&factor, 0, lane));
            done = reject(problem, group, lane, AT(&start_check, 0, lane) == 0.0);
        }
        if (!done && quiet) report(problem, group, lane, STEADY), done = 1;
        if (!done && group->steps[lane] >= problem->steps_allowed) report(problem, group, lane, TOO_MANY_STEPS), done = 1;
        if (done) refill(problem, group, lane);
    }
    if (group->changed) prepare(work->p, work->c), group->changed = 0;
    if (group->estimate) estimate_first_steps(problem, group);
}

/* Numbers too small to be normal are taken for zero while a kernel runs: they mean nothing here and cost much. */
#if defined(__SSE2__)
static unsigned flush_tiny(void) { unsigned old = _mm_getcsr(); _mm_setcsr(old | 0x8040); return old; }
static void restore(unsigned old) { _mm_setcsr(old); }
#else
static unsigned flush_tiny(void) { return 0; }
static void restore(unsigned old) { (void)old; }
#endif

static void *room(size_t bytes)
{
    void *memory = NULL;
    if (posix_memalign(&memory, 64, (bytes + 63) / 64 * 64)) return NULL;
    return memset(memory, 0, bytes);
}

/* Integrate persons until none is left; several threads may work on one problem. 0, or 1 without memory. */
EXPORT int kernel_solve(Problem *problem)
{
    Group *group = room(sizeof *group);
    if (!group) return 1;
    unsigned mode = flush_tiny();
    group->busy = LANES;
    for (int lane = 0; lane < LANES; lane++) refill(problem, group, lane);
    prepare(group->work.p, group->work.c), group->changed = 0;
    if (group->estimate) estimate_first_steps(problem, group);
    while (group->busy) advance(problem, group);
    restore(mode);
    free(group);
    return 0;
}

static void load_lane(V *array, int lane, const double *from, int64_t count)
{
    for (int64_t i = 0; i < count; i++) AT(array, i, lane) = from[i];
}

/* Outputs at the samples of solved persons; lanes are samples, each replays the schedule up to its own time. */
EXPORT int kernel_observe(Problem *problem, const double *states, const int64_t *wanted, int64_t count, double *out)
{
    Work *work = room(sizeof *work);
    V *o = room((OUTPUTS + 1) * sizeof(V));
    if (!work || !o) return free(work), free(o), 1;
    unsigned mode = flush_tiny();
    for (int64_t n; (n = next_person(problem)) < problem->persons;) {
        const double *base = problem->parameters + n * PARAMETERS;
        const double *p = (problem->current ? problem->current : problem->parameters) + n * PARAMETERS;
        int bad = schedule_is_bad(problem, problem->schedule[n]), changed = 1;
        int64_t first = bad ? 0 : problem->first[problem->schedule[n]], at[LANES];
        int64_t end = bad ? 0 : problem->first[problem->schedule[n] + 1];
        while (first < end && problem->time[first] < problem->start) first++;
        for (int lane = 0; lane < LANES; lane++) load_lane(work->p, lane, p, PARAMETERS), at[lane] = first;
        for (int64_t k = 0; k < problem->samples; k += LANES) {
            for (int lane = 0; lane < LANES; lane++) {
                int64_t mine = k + lane < problem->samples ? k + lane : problem->samples - 1;
                load_lane(work->y, lane, states + (n * problem->samples + mine) * STATES, STATES);
                for (; at[lane] < end && problem->time[at[lane]] < problem->sample[mine]; at[lane]++) {
                    int64_t e = at[lane], i = problem->index[e];
                    if (problem->kind[e] == SET) AT(work->p, i, lane) = problem->value[e];
                    if (problem->kind[e] == SCALE) AT(work->p, i, lane) = base[i] * problem->value[e];
                    changed = 1;
                }
            }
            if (changed) prepare(work->p, work->c), changed = 0;
            observe(work->p, work->c, work->y, o);
            for (int lane = 0; lane < LANES && k + lane < problem->samples; lane++)
                for (int64_t i = 0; i < count; i++)
                    out[(n * problem->samples + k + lane) * count + i] = AT(o, wanted[i], lane);
        }
    }
    restore(mode);
    free(work), free(o);
    return 0;
}

/* Rates, and the Jacobian row by row where it is wanted, of n persons at one state each. */
EXPORT int kernel_rates(int64_t n, const double *y, const double *p, double *f, double *jacobian)
{
    Work *work = room(sizeof *work);
    if (!work) return 1;
    for (int64_t first = 0; first < n; first += LANES) {
        for (int lane = 0; lane < LANES; lane++) {
            int64_t mine = first + lane < n ? first + lane : n - 1;
            load_lane(work->p, lane, p + mine * PARAMETERS, PARAMETERS);
            load_lane(work->y, lane, y + mine * STATES, STATES);
        }
        prepare(work->p, work->c);
        if (jacobian) rates_and_jacobian(work->p, work->c, work->y, work->f, work->j);
        else rates(work->p, work->c, work->y, work->f);
        for (int lane = 0; lane < LANES && first + lane < n; lane++) {
            for (int i = 0; i < STATES; i++) f[(first + lane) * STATES + i] = AT(work->f, i, lane);
            for (int e = 0; jacobian && e < ENTRIES; e++)
                jacobian[((first + lane) * STATES + ENTRY_ROW[e]) * STATES + ENTRY_COLUMN[e]] = AT(work->j, e, lane);
        }
    }
    free(work);
    return 0;
}

/* exp (0), log (1), tanh (2), sqrt (3) or 1/x (4) of n numbers. */
EXPORT void kernel_function(int function, int64_t n, const double *x, double *out)
{
    for (int64_t first = 0; first < n; first += LANES) {
        V a = splat(1.0);
        int64_t count = n - first < LANES ? n - first : LANES;
        memcpy(&a, x + first, (size_t)count * sizeof(double));
        V b = function == 0 ? exponential(a) : function == 1 ? logarithm(a) : function == 2 ? hyperbolic_tangent(a)
            : function == 3 ? square_root(a) : reciprocal(a);
        memcpy(out + first, &b, (size_t)count * sizeof(double));
    }
}

/* The best variant that this processor can run: 4, 3 or 1, as in x86-64-v4. */
EXPORT int kernel_level(void)
{
#if defined(__x86_64__)
    __builtin_cpu_init();
    int v3 = __builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma") && __builtin_cpu_supports("bmi2");
    int v4 = __builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512dq") && __builtin_cpu_supports("avx512vl")
        && __builtin_cpu_supports("avx512bw") && __builtin_cpu_supports("avx512cd");
    return v3 && v4 ? 4 : v3 ? 3 : 1;
#else
    return 1;
#endif
}

EXPORT const int64_t kernel_sizes[] = {STATES, PARAMETERS, OUTPUTS, ENTRIES, MEMORY, LANES, sizeof(Problem)};
