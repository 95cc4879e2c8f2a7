"""The root of every error whose message is meant for the person at the keyboard: what happened, where, what to do.

    AntiMatterError
      ParameterError       params.yaml is wrong               RuntimeSettingError  runtime.yaml is wrong
      MissingData          an upstream stage has not run      DamagedShard         a file is not what it promises
      SourceError          a source cannot be collected       WorkspaceBusy, CodeChanged, WrongCheckout, WorkerDied

A stage prints such a message without a traceback (ANTIMATTER_TRACEBACK=1 shows it); any other exception is a defect
of ours and shows all it has.
"""


class AntiMatterError(Exception):
    """Base of the errors above."""
