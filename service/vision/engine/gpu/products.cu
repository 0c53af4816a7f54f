// Products of a few rows in bf16 with eight-bit weights, compiled by NVRTC when the engine starts; see products.py.
//
// A warp makes 16 outputs of up to 8 * TILES rows from `slice` inputs (a multiple of 64). The tensor cores want to know
// which numbers belong to one input, not which input that is: so each thread reads sixteen neighbouring ones, and the
// order is the same for weights and rows. Sums are made in fp32 and rounded once, at the very end.

#define DEEP 2

__device__ unsigned pair_of(unsigned bytes, unsigned which) {
    // 0x43 before a byte b is 128 + b in bf16, b below 128; its highest bit doubles that. So it is taken apart: seven
    // bits as 128 + b, and the sign as -128 or -256.
    unsigned pair = __byte_perm(bytes, 0x43u, which), made;
    unsigned low = pair & 0xFF7FFF7Fu, high = (pair & 0xFF80FF80u) ^ 0x80008000u;
    asm("fma.rn.bf16x2 %0, %1, %2, %3;" : "=r"(made) : "r"(low), "r"(0x3F803F80u), "r"(high));
    return made;
}

struct Ahead {
    uint4 upper[DEEP], lower[DEEP];
};

__device__ void fetch(Ahead &to, const signed char *upper, const signed char *lower, int k, int end) {
#pragma unroll
    for (int step = 0; step < DEEP; step++) {
        bool inside = k + 64 * step < end;
        to.upper[step] = inside ? __ldcs((const uint4 *)(upper + k + 64 * step)) : uint4{0, 0, 0, 0};
        to.lower[step] = inside ? __ldcs((const uint4 *)(lower + k + 64 * step)) : uint4{0, 0, 0, 0};
    }
}

template <int TILES>
__device__ void product(const signed char *weight, const number *x, float *parts, int outputs, int inputs, int rows,
                        int slice) {
    int lane = threadIdx.x % 32, group = lane / 4, quarter = lane % 4;
    int output = blockIdx.x * 64 + threadIdx.x / 32 * 16 + group;
    int begin = blockIdx.y * slice, end = min(begin + slice, inputs);
    const signed char *upper = weight + (int64)output * inputs + quarter * 16, *lower = upper + (int64)8 * inputs;
    const number *row = x + (int64)group * inputs + quarter * 16;
    float sums[TILES][4] = {};
    Ahead now, next;
    fetch(now, upper, lower, begin, end);
    for (int k = begin; k < end; k += 64 * DEEP) {
        fetch(next, upper, lower, k + 64 * DEEP, end);  // On their way while these are worked on.
#pragma unroll
        for (int step = 0; step < DEEP; step++) {
            bool inside = k + 64 * step < end;
            unsigned given[TILES][8] = {};
#pragma unroll
            for (int tile = 0; tile < TILES; tile++)
                if (inside && tile * 8 + group < rows) {
                    const uint4 *from = (const uint4 *)(row + (int64)tile * 8 * inputs + k + 64 * step);
                    *(uint4 *)&given[tile][0] = __ldg(from);
                    *(uint4 *)&given[tile][4] = __ldg(from + 1);
                }
            unsigned up[4] = {now.upper[step].x, now.upper[step].y, now.upper[step].z, now.upper[step].w};
            unsigned low[4] = {now.lower[step].x, now.lower[step].y, now.lower[step].z, now.lower[step].w};
#pragma unroll
            for (int j = 0; j < 4; j++) {
                unsigned a0 = pair_of(up[j], 0x4140), a1 = pair_of(low[j], 0x4140);
                unsigned a2 = pair_of(up[j], 0x4342), a3 = pair_of(low[j], 0x4342);
#pragma unroll
                for (int tile = 0; tile < TILES; tile++)
                    asm volatile("mma.sync.aligned.m16n8k16.row.col.f32.bf16.bf16.f32 "
                                 "{%0, %1, %2, %3}, {%4, %5, %6, %7}, {%8, %9}, {%0, %1, %2, %3};"
                                 : "+f"(sums[tile][0]), "+f"(sums[tile][1]), "+f"(sums[tile][2]), "+f"(sums[tile][3])
                                 : "r"(a0), "r"(a1), "r"(a2), "r"(a3), "r"(given[tile][2 * j]),
                                   "r"(given[tile][2 * j + 1]));
            }
        }
        now = next;
    }
    parts += (int64)blockIdx.y * rows * outputs;
#pragma unroll
    for (int tile = 0; tile < TILES; tile++)
        for (int j = 0; j < 4; j++) {
            int of = tile * 8 + quarter * 2 + j % 2;
            if (of < rows) parts[(int64)of * outputs + output + j / 2 * 8] = sums[tile][j];
        }
}

#define ENTRY(NAME, TILES)                                                                                      \
    extern "C" __global__ void __launch_bounds__(128)                                                           \
    NAME(const signed char *weight, const number *x, float *parts, int outputs, int inputs, int rows, int slice) { \
        product<TILES>(weight, x, parts, outputs, inputs, rows, slice);                                         \
    }
ENTRY(product_8, 1)
ENTRY(product_16, 2)

// out (rows, outputs): the parts of all slices together, scaled, and the bias where there is one.
extern "C" __global__ void sum_slices(const float *parts, const number *scale, const number *bias, number *out,
                                      int outputs, int rows, int slices) {
    int i = blockIdx.x * blockDim.x + threadIdx.x;
    if (i >= outputs * rows) return;
    float sum = 0;
    for (int slice = 0; slice < slices; slice++) sum += parts[(int64)slice * outputs * rows + i];
    sum *= to_float(scale[i % outputs]);
    out[i] = from_float(bias ? sum + to_float(bias[i % outputs]) : sum);
}
