"""The root of every error whose message is meant for the person at the keyboard: what happened, where, what to do.

    AntiMatterError
      ParameterError        params.yaml is wrong               RuntimeSettingError   runtime.yaml is wrong
      MissingData           an upstream stage has not run      DamagedShard          a file is not what it promises
      SourceError           a source cannot be collected       WorkspaceBusy, CodeChanged, WrongCheckout, WorkerDied
      ContradictorySettings group train does not add up        DeviceError           this device cannot do it
      TokensError           data/tokens is missing or damaged  ModelError            a folder holds no readable model
      OptimizerStateError   moments of another model           CheckpointFailed      the disk refused a checkpoint
      GuardGaveUp           the loss is lost                   WorkFolderBusy        another run trains there
      TrainingFailed        what a training process said       Interrupted           stopped as asked; start it again
      TooLong               a sample no batch has room for     NotTraceable          nothing was trained like that
      ModelSettingsError    group model describes no network

Rarer ones stand in the room that raises them. A stage prints such a message without a traceback
(ANTIMATTER_TRACEBACK=1 shows it); any other exception is a defect of ours and shows all it has.
"""


class AntiMatterError(Exception):
    """Base of the errors above."""
