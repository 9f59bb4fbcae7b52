/* What the two halves of a kernel stand on where every thread has one person: a processor of graphics, or NVIDIA Warp.
 *
 * `one_lane.py` puts the generated equations and the integration of `core.h`, but for passages that it lists, inside of a
 * function, where C++ allows types with functions, but neither templates nor data of the type. What equations compute
 * with is REAL; states, times and steps are always double.
 */
#define LANES 1
#define INLINE static inline
#define APART static WP_NOINLINE
#define restrict __restrict__
#ifndef NULL
#define NULL nullptr
#endif
#ifndef INT64_MAX
#define INT64_MAX 0x7fffffffffffffffLL
#endif
#define __ATOMIC_RELAXED 0
#define __atomic_fetch_add(at, one, order) ((*(at))++) /* every thread has a problem of its own */

#define splat(x) ((V)(x))
#define less(a, b, so, not_so) ((a) < (b) ? (so) : (not_so))
#define less_equal(a, b, so, not_so) ((a) <= (b) ? (so) : (not_so))
#define equal(a, b, so, not_so) ((a) == (b) ? (so) : (not_so))

struct Kernel {
static inline double minimum(double a, double b) { return a < b ? a : b; } /* of NaN: the second, as in `core.h` */
static inline double maximum(double a, double b) { return b < a ? a : b; }
static inline double exponential(double x) { return ::exp(x); }
static inline double logarithm(double x) { return ::log(x); }
static inline double hyperbolic_tangent(double x) { return ::tanh(x); }
static inline double square_root(double x) { return ::sqrt(x); }
static inline double reciprocal(double x) { return 1.0 / x; }
static inline float minimum(float a, float b) { return a < b ? a : b; }
static inline float maximum(float a, float b) { return b < a ? a : b; }
static inline float exponential(float x) { return ::expf(x); }
static inline float logarithm(float x) { return ::logf(x); }
static inline float hyperbolic_tangent(float x) { return ::tanhf(x); }
static inline float square_root(float x) { return ::sqrtf(x); }
static inline float reciprocal(float x) { return 1.0f / x; }
static inline REAL quick_reciprocal(REAL x) { return reciprocal(x); }
static inline double rough_reciprocal(double x) { return 1.0 / x; }
static inline double magnitude(double x) { return ::fabs(x); }
static inline double fmin(double a, double b) { return b != b || a < b ? a : b; }
static inline double fmax(double a, double b) { return b != b || b < a ? a : b; }
static inline bool isfinite(double x) { return x - x == 0.0; }
