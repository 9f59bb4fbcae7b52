/* Mean chance of the results of one patient over the members of each set of causes; means.py says what is what.

   The chance of a result under heavy tails is that of `weigh.chance`: Student's t with 4 degrees of freedom, which keeps
   its digits in the far tail. A member with NaN did not live to show a result, and does not count for it. */
#include <math.h>
#include <stdint.h>

#if defined(__GNUC__) && !defined(__clang__)
#pragma GCC optimize("O3")
#endif

#define MEMBERS 1024 /* that are taken at once, of as many sets as there are */
#define PARTS 8      /* of a sum, side by side */
#define FAR 1e70     /* errors, beyond which nothing lies */
#define LEAST 1e-300 /* a chance that is still a number */

static inline double capped(double size)
{
    return size > FAR ? FAR : size; /* what has no end is far enough away; NaN stays */
}

/* Chance of a value between two: tails of Student's law, both by one division. */
static inline double between(double a, double b)
{
    double low = capped(fabs(a)), high = capped(fabs(b)), first = sqrt(4.0 + low * low), last = sqrt(4.0 + high * high);
    double one = first * (first + low), other = last * (last + high), each = 4.0 / (one * other);
    double below = each * other, above = each * one;
    below = below * below * (3.0 - below) * 0.25;
    above = above * above * (3.0 - above) * 0.25;
    return (b <= 0.0 ? above : 1.0 - above) - (a <= 0.0 ? below : 1.0 - below);
}

static void chances(const double *restrict centre, double low, double high, int64_t count, double *restrict found)
{
    for (int64_t member = 0; member < count; member++) {
        double upper = high - centre[member], lower = low - centre[member];
        int flip = lower > 0.0; /* the far tail keeps its digits on the lower side */
        double chance = between(flip ? -upper : lower, flip ? -lower : upper);
        found[member] = chance < LEAST ? LEAST : chance;
    }
}

static double sum(const double *restrict each, int64_t count)
{
    double part[PARTS] = {0.0}, found = 0.0;
    int64_t member = 0;
    for (; member + PARTS <= count; member += PARTS)
        for (int64_t lane = 0; lane < PARTS; lane++)
            part[lane] += each[member + lane];
    for (; member < count; member++)
        found += each[member];
    for (int64_t lane = 0; lane < PARTS; lane++)
        found += part[lane];
    return found;
}

struct members {
    int64_t tests, choices, sets, rows, places;
    const double *const *centre;
    const double *low, *high, *often;
    const int16_t *form;
    const int64_t *choice;
    double *weights, *likely;
};

/* Some members of one set: the first of them, how many, and their place among those that are taken at once. */
struct piece {
    int64_t set, from, count, at;
};

static void take(const struct members *of, const struct piece *piece, int64_t pieces, int64_t count)
{
    double centre[MEMBERS], chance[of->tests][MEMBERS], weight[MEMBERS], living[MEMBERS], counted[MEMBERS];
    for (int64_t test = 0; test < of->tests; test++) {
        for (const struct piece *p = piece; p < piece + pieces; p++)
            for (int64_t i = 0; i < p->count; i++)
                centre[p->at + i] = of->centre[test][p->from + i];
        chances(centre, of->low[test], of->high[test], count, chance[test]);
    }
    for (const struct piece *p = piece; p < piece + pieces; p++)
        for (int64_t i = 0; i < p->count; i++) {
            double each = 1.0;
            for (int64_t place = 0; place < of->places; place++)
                each *= of->often[of->form[place * of->rows + p->from + i]];
            weight[p->at + i] = each;
        }
    for (int64_t c = 0; c < of->choices; c++) {
        for (int64_t member = 0; member < count; member++)
            counted[member] = 1.0;
        for (int64_t test = 0; test < of->tests; test++)
            if (of->choice[c] >> test & 1)
                for (int64_t member = 0; member < count; member++)
                    counted[member] *= chance[test][member];
        for (int64_t member = 0; member < count; member++) {
            int lives = counted[member] == counted[member];
            living[member] = lives ? weight[member] : 0.0;
            counted[member] = lives ? weight[member] * counted[member] : 0.0;
        }
        for (const struct piece *p = piece; p < piece + pieces; p++) {
            of->weights[c * of->sets + p->set] += sum(living + p->at, p->count);
            of->likely[c * of->sets + p->set] += sum(counted + p->at, p->count);
        }
    }
}

/* For each set and each choice of tests (a bit for each): the weights of members who live, and their weights times the
   chance of these results, summed. `form` holds the rows of `often` for each place of a member; without places all
   weigh one. */
__attribute__((visibility("default"))) void mean_chances(
    int64_t tests, const double *const *centre, const double *low, const double *high,
    int64_t sets, const int64_t *first, const int64_t *count,
    int64_t places, const int16_t *form, int64_t rows, const double *often,
    int64_t choices, const int64_t *choice, double *weights, double *likely)
{
    struct members of = {tests, choices, sets, rows, places, centre, low, high, often, form, choice, weights, likely};
    struct piece piece[MEMBERS];
    int64_t pieces = 0, full = 0;
    for (int64_t each = 0; each < choices * sets; each++)
        weights[each] = likely[each] = 0.0;
    for (int64_t set = 0; set < sets; set++)
        for (int64_t from = first[set], end = from + count[set]; from < end;) {
            int64_t some = end - from < MEMBERS - full ? end - from : MEMBERS - full;
            piece[pieces++] = (struct piece){set, from, some, full};
            from += some;
            full += some;
            if (full == MEMBERS) {
                take(&of, piece, pieces, full);
                pieces = full = 0;
            }
        }
    take(&of, piece, pieces, full);
}

/* The mean of each of all sets of so many causes, by their numbers (a bit for each cause): it leans on the best of the
   sets that lack one of them, as if that were `lean` members more. On entry `mean` holds likely sums, `weight` weights.
   Sets come by their size, so that those they lean on are done; the next of one size has the next higher number. */
__attribute__((visibility("default"))) void lean_on_parts(
    int64_t causes, double lean, double least, const double *weight, double *mean)
{
    uint32_t all = 1u << causes, low, carry, set;
    mean[0] /= weight[0] > least ? weight[0] : least;
    for (int64_t size = 1; size <= causes; size++)
        for (set = (1u << size) - 1; set < all; low = set & -set, carry = set + low, set = ((set ^ carry) >> 2) / low | carry) {
            double parts = 0.0;
            for (uint32_t left = set; left; left &= left - 1) {
                double part = mean[set ^ (left & -left)];
                parts = part > parts ? part : parts;
            }
            mean[set] = (mean[set] + lean * parts) / (weight[set] + lean);
        }
}
