// What a decode step does between its products, each in one launch; kernels.py says what they take and give.
//
// Compiled by NVRTC when the engine starts, for one model and one precision (see numbers.cu): SIZE is the hidden size,
// HEADS and KEPT count the heads of queries and of keys, HEAD is a head's size, and of each head's pairs of neighbours
// the first PAIRS are turned. Sums are made in fp32 and rounded where the library rounds.

#define THREADS 512

// Neighbours that a thread reads and writes at once: 16 bytes of them.
#define TOGETHER (16 / sizeof(number))
#define EACH ((SIZE / TOGETHER + THREADS - 1) / THREADS)

static_assert(SIZE % TOGETHER == 0, "rows are read in whole pieces");
static_assert(HEAD % 2 == 0 && 2 * PAIRS <= HEAD, "a head is made of pairs");

struct alignas(16) Several {
    number one[TOGETHER];
};

// Sum over a block of THREADS; every thread gets it. A second sum needs an `of_warp` of its own.
__device__ float summed(float x, float *of_warp) {
    for (int apart = 16; apart; apart /= 2) x += __shfl_xor_sync(~0u, x, apart);
    if (threadIdx.x % 32 == 0) of_warp[threadIdx.x / 32] = x;
    __syncthreads();
    x = of_warp[threadIdx.x % (THREADS / 32)];
    for (int apart = THREADS / 64; apart; apart /= 2) x += __shfl_xor_sync(~0u, x, apart);
    return x;
}

// hidden += norm(found) * after; out = norm(hidden) * next. A block a row; all that it reads is on its way at once.
extern "C" __global__ void __launch_bounds__(THREADS)
add_norm(Several *hidden, const Several *found, const Several *after, const Several *next, Several *out,
         float epsilon) {
    __shared__ float first[THREADS / 32], second[THREADS / 32];
    const int several = SIZE / TOGETHER;
    int64 row = (int64)blockIdx.x * several;
    Several news[EACH], olds[EACH], afters[EACH], nexts[EACH];
    float squares = 0;
#pragma unroll
    for (int j = 0; j < EACH; j++) {
        int i = threadIdx.x + j * THREADS;
        if (i < several) {
            news[j] = found[row + i];
            olds[j] = hidden[row + i];
            afters[j] = after[i];
            nexts[j] = next[i];
        }
    }
#pragma unroll
    for (int j = 0; j < EACH; j++)
        if (threadIdx.x + j * THREADS < several)
            for (int n = 0; n < TOGETHER; n++) squares += to_float(news[j].one[n]) * to_float(news[j].one[n]);
    float scale = rsqrtf(summed(squares, first) / SIZE + epsilon);
    squares = 0;
#pragma unroll
    for (int j = 0; j < EACH; j++) {
        int i = threadIdx.x + j * THREADS;
        if (i < several) {
            for (int n = 0; n < TOGETHER; n++) {
                number normed = from_float(to_float(afters[j].one[n]) * (scale * to_float(news[j].one[n])));
                olds[j].one[n] = from_float(to_float(olds[j].one[n]) + to_float(normed));
                squares += to_float(olds[j].one[n]) * to_float(olds[j].one[n]);
            }
            hidden[row + i] = olds[j];
        }
    }
    scale = rsqrtf(summed(squares, second) / SIZE + epsilon);
#pragma unroll
    for (int j = 0; j < EACH; j++) {
        int i = threadIdx.x + j * THREADS;
        if (i < several) {
            for (int n = 0; n < TOGETHER; n++)
                nexts[j].one[n] = from_float(to_float(nexts[j].one[n]) * (scale * to_float(olds[j].one[n])));
            out[row + i] = nexts[j];
        }
    }
}

// Queries and keys turned; queries (rows, HEADS, HEAD) go to `queries`, keys and values to their places among what is
// kept. A block of HEAD / 2 threads a head of a row.
extern "C" __global__ void turn(const number *looks, const float2 *turns, const int64 *lined_up, number *queries,
                                number *kept, int64 width) {
    int head = blockIdx.x, row = blockIdx.y, rows = gridDim.y, pair = threadIdx.x;
    int64 place = lined_up[rows + row], at = place + lined_up[2 * rows + row];
    looks += ((int64)row * (HEADS + 2 * KEPT) + head) * HEAD;
    float a = to_float(looks[2 * pair]), b = to_float(looks[2 * pair + 1]);
    if (head < HEADS + KEPT && pair < PAIRS) {
        float2 by = turns[at * PAIRS + pair];
        float turned = a * by.x - b * by.y;
        b = a * by.y + b * by.x;
        a = turned;
    }
    number *to = head < HEADS ? queries + ((int64)row * HEADS + head) * HEAD
                              : kept + (((int64)row * 2 * KEPT + head - HEADS) * width + place) * HEAD;
    to[2 * pair] = from_float(a);
    to[2 * pair + 1] = from_float(b);
}

// out (rows, size) = up * silu(gate) of (rows, 2 * size), gates before ups.
extern "C" __global__ void gate(const number *both, number *out, int64 size, int64 count) {
    int64 i = (int64)blockIdx.x * blockDim.x + threadIdx.x;
    if (i >= count) return;
    const number *from = both + (i / size) * 2 * size + i % size;
    float x = to_float(from[0]);
    out[i] = from_float(to_float(from[size]) * to_float(from_float(x / (1 + expf(-x)))));
}
