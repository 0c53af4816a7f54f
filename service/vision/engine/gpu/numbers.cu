// The numbers that a model computes with, of two bytes or four, and summed as floats: NUMBER is BF16, FP16 or FP32.
// This stands before each of the other sources.

#define BF16 0
#define FP16 1
#define FP32 2

typedef long long int64;

#if NUMBER == FP32
typedef float number;
__device__ float to_float(number x) { return x; }
__device__ number from_float(float x) { return x; }
#elif NUMBER == BF16
typedef unsigned short number;
__device__ float to_float(number x) { return __uint_as_float((unsigned)x << 16); }
__device__ number from_float(float x) {
    number made;
    asm("cvt.rn.bf16.f32 %0, %1;" : "=h"(made) : "f"(x));
    return made;
}
#else
typedef unsigned short number;
__device__ float to_float(number x) {
    float made;
    asm("cvt.f32.f16 %0, %1;" : "=f"(made) : "h"(x));
    return made;
}
__device__ number from_float(float x) {
    number made;
    asm("cvt.rn.f16.f32 %0, %1;" : "=h"(made) : "f"(x));
    return made;
}
#endif
