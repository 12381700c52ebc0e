// Task Bench's patterns as `caudal patterns` defines them, with a radix and a period of 3, a fraction of 1/4 and the
// seed 1; patterns.rs is the same for the Rust programs.
#pragma once

#include <algorithm>
#include <cstdint>
#include <string>
#include <utility>
#include <vector>

namespace patterns {

inline const std::vector<std::string> names = {"trivial", "no-communication", "stencil", "stencil-periodic", "dom", "tree",
    "fft", "all-to-all", "nearest", "spread", "random-nearest"};

constexpr long radix = 3, period = 3;
constexpr double fraction = 0.25;
constexpr std::uint64_t seed = 1, costs = 0x636f7374;

struct Task {
    long step, point;
    std::vector<std::size_t> before;
};

inline std::uint64_t mix(std::uint64_t x) {
    x = (x ^ (x >> 30)) * 0xbf58476d1ce4e5b9;
    x = (x ^ (x >> 27)) * 0x94d049bb133111eb;
    return x ^ (x >> 31);
}

// A number from 0 to below 1.
inline double chance(std::initializer_list<std::uint64_t> parts) {
    std::uint64_t key = 0;
    for (auto part : parts) key = mix(key + 0x9e3779b97f4a7c15 + mix(part));
    return double(key >> 11) / double(std::uint64_t(1) << 53);
}

// What a task takes over the mean.
inline double share(double imbalance, long step, long point) {
    return 1 + imbalance * (chance({seed, costs, std::uint64_t(step), std::uint64_t(point)}) - 0.5);
}

// The first point of a step, and the one behind its last.
inline std::pair<long, long> points(const std::string& pattern, long width, long steps, long step) {
    if (pattern == "dom") {
        long first = std::max(0L, step + width - steps);
        return {first, first + std::min({width, step + 1, steps - step})};
    }
    if (pattern == "tree" && step < 32) return {0, std::min(width, 1L << step)};
    return {0, width};
}

inline std::vector<long> before(const std::string& pattern, long width, long step, long point) {
    std::vector<long> list;
    auto range = [&](long first, long end) {
        for (long other = first; other < end; other++) list.push_back(other);
    };
    if (pattern == "no-communication") list = {point};
    else if (pattern == "stencil") range(point - 1, point + 2);
    else if (pattern == "stencil-periodic") list = {(point + width - 1) % width, point, (point + 1) % width};
    else if (pattern == "dom") range(point - 1, point + 1);
    else if (pattern == "tree") list = {point / 2};
    else if (pattern == "fft") {
        long stages = 0;
        while ((1L << stages) < width) stages++;
        list = {point};
        if (stages > 0) {
            long distance = 1L << ((step - 1) % stages);
            list = {point - distance, point, point + distance};
        }
    } else if (pattern == "all-to-all") range(0, width);
    else if (pattern == "nearest" || pattern == "random-nearest") {
        range(std::max(0L, point - radix / 2), std::min(width, point + (radix + 1) / 2));
        if (pattern == "random-nearest") {
            auto missing = [&](long other) {
                return other != point
                    && chance({seed, std::uint64_t(step % period), std::uint64_t(other), std::uint64_t(point)}) >= fraction;
            };
            list.erase(std::remove_if(list.begin(), list.end(), missing), list.end());
        }
    } else if (pattern == "spread") {
        list = {point};
        for (long k = 1; k < radix; k++) list.push_back((point + k * width / radix + step % period) % width);
    }
    return list;
}

// Every task, step by step, with the numbers of those that it waits for, in order.
inline std::vector<Task> tasks(const std::string& pattern, long width, long steps) {
    std::vector<Task> all;
    std::pair<long, long> last{0, 0};
    std::size_t first = 0;
    for (long step = 0; step < steps; step++) {
        auto here = points(pattern, width, steps, step);
        std::size_t next = all.size();
        for (long point = here.first; point < here.second; point++) {
            Task task{step, point, {}};
            if (step > 0) {
                auto list = before(pattern, width, step, point);
                std::sort(list.begin(), list.end());
                list.erase(std::unique(list.begin(), list.end()), list.end());
                for (auto other : list)
                    if (other >= last.first && other < last.second)
                        task.before.push_back(first + std::size_t(other - last.first));
            }
            all.push_back(task);
        }
        last = here;
        first = next;
    }
    return all;
}

} // namespace patterns
