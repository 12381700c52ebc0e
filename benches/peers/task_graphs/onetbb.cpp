// A oneTBB flow graph of continue_node<continue_msg>. `--lightweight` uses the policy of that name, with
// which a node may run inside the call that made it ready, on that call's stack.
#if __has_include(<oneapi/tbb/flow_graph.h>)

#include <memory>

#include <oneapi/tbb/flow_graph.h>
#include <oneapi/tbb/global_control.h>
#include <oneapi/tbb/task_arena.h>
#include <oneapi/tbb/version.h>

#include "graphs.hpp"

namespace flow = oneapi::tbb::flow;

template <class Policy>
void measure(const graphs::Settings& s, const char* name) {
    using Node = flow::continue_node<flow::continue_msg, Policy>;
    struct Built {
        flow::graph graph;
        std::vector<std::unique_ptr<Node>> nodes;
        std::vector<Node*> sources;
    };
    oneapi::tbb::global_control limit(oneapi::tbb::global_control::max_allowed_parallelism, s.threads);
    oneapi::tbb::task_arena arena(int(s.threads));
    auto graph = graphs::make(s.shape, s.nodes, s.width);
    auto build = [&] {
        auto built = std::make_unique<Built>();
        built->nodes.reserve(graph.nodes());
        for (std::size_t k = 0; k < graph.nodes(); k++) {
            built->nodes.push_back(std::make_unique<Node>(built->graph, [k](const flow::continue_msg&) noexcept {
                graphs::visit(k);
                return flow::continue_msg();
            }));
            for (auto p : graph.predecessors[k]) flow::make_edge(*built->nodes[p], *built->nodes[k]);
            if (graph.predecessors[k].empty()) built->sources.push_back(built->nodes[k].get());
        }
        return built;
    };
    auto run = [&](std::unique_ptr<Built>& built) {
        for (auto source : built->sources) source->try_put(flow::continue_msg());
        built->graph.wait_for_all();
    };
    auto version = std::to_string(TBB_VERSION_MAJOR) + "." + std::to_string(TBB_VERSION_MINOR);
    arena.execute([&] { graphs::measure(s, name, version, graph, build, run); });
}

int main(int count, char** arguments) {
    return graphs::guarded("onetbb", [&] {
        auto s = graphs::settings(count, arguments);
        if (s.lightweight) measure<flow::lightweight>(s, "onetbb-lightweight");
        else measure<flow::queueing>(s, "onetbb");
    });
}

#else

#include <cstdio>

int main() {
    std::fputs("onetbb: built without oneTBB's headers (Debian: libtbb-dev); see README.md\n", stderr);
    return 3;
}

#endif
