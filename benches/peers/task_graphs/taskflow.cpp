// A Taskflow graph, run again and again by one executor.
#if __has_include(<taskflow/taskflow.hpp>)

#include <memory>

#include <taskflow/taskflow.hpp>

#include "graphs.hpp"

int main(int count, char** arguments) {
    return graphs::guarded("taskflow", [&] {
        auto s = graphs::settings(count, arguments);
        auto graph = graphs::make(s.shape, s.nodes, s.width);
        tf::Executor executor(s.threads);
        auto build = [&] {
            auto flow = std::make_unique<tf::Taskflow>();
            std::vector<tf::Task> tasks;
            tasks.reserve(graph.nodes());
            for (std::size_t k = 0; k < graph.nodes(); k++) {
                tasks.push_back(flow->emplace([k] { graphs::visit(k); }));
                for (auto p : graph.predecessors[k]) tasks[p].precede(tasks[k]);
            }
            return flow;
        };
        auto run = [&](std::unique_ptr<tf::Taskflow>& flow) { executor.run(*flow).wait(); };
        graphs::measure(s, "taskflow", tf::version(), graph, build, run);
    });
}

#else

#include <cstdio>

int main() {
    std::fputs("taskflow: built without Taskflow's headers; see README.md\n", stderr);
    return 3;
}

#endif
