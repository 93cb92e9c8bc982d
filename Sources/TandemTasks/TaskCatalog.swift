public import TandemCore

/// Every downstream task.
public enum TaskCatalog {
  public static let all: [any DownstreamTask.Type] = [VisualQuestionAnswering.self, Retrieval.self]
}
