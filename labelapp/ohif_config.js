// Added to the settings of MONAI Label's OHIF. Its mode opens the first series of a study, which is the CT, while labels
// lie on the PET: the layout `mpr`, which that mode asks for, is replaced by one of the PET. And its panel cannot save:
// a button of ours does.
(() => {
  const SYNCHRONISED = { source: true, target: true };
  const pane = (orientation) => ({
    viewportOptions: {
      viewportId: `mpr-${orientation}`,
      toolGroupId: 'mpr',
      syncGroups: [
        { ...SYNCHRONISED, type: 'voi', id: 'mpr', options: { syncColormap: true } },
        // Without it lesions are seen in the pane that was active when the panel connected, and nowhere else.
        { ...SYNCHRONISED, type: 'hydrateseg', id: 'sameFORId', options: { matchingRules: ['sameFOR'] } },
      ],
      viewportType: 'volume',
      orientation,
      initialImageOptions: { preset: 'middle' },
    },
    // SUV 0 to 6 g/ml, dark is hot.
    displaySets: [{ id: 'pet', options: { voi: { windowWidth: 6, windowCenter: 3 }, voiInverted: true } }],
  });
  const rule = (attribute, constraint, options) => ({ attribute, constraint, ...options });
  const protocol = {
    id: 'mpr',
    name: 'PET in three planes',
    locked: true,
    isPreset: true,
    availableTo: {},
    editableBy: {},
    protocolMatchingRules: [],
    imageLoadStrategy: 'nth',
    displaySetSelectors: {
      pet: {
        seriesMatchingRules: [
          rule('Modality', { equals: 'PT' }, { required: true }),
          rule('isReconstructable', { equals: { value: true } }, { required: true }),
          rule('SeriesDescription', { doesNotContain: { value: 'NAC' } }, { weight: 5 }),
        ],
      },
    },
    stages: [
      {
        id: 'pet',
        name: 'PET',
        viewportStructure: { layoutType: 'grid', properties: { rows: 1, columns: 3 } },
        viewports: ['axial', 'sagittal', 'coronal'].map(pane),
      },
    ],
  };

  // What the panel calls its one segmentation, and the segments that are no lesions.
  const SEGMENTATION = '1';
  const LESION = 'lesion';
  const NOT_LESIONS = ['background', 'left lung', 'right lung'];

  const annotator = () => {
    let name = window.localStorage.getItem('fdglung.annotator');
    if (!name) {
      name = window.prompt('Who saves? The name is kept with the label.');
      if (name) window.localStorage.setItem('fdglung.annotator', name);
    }
    return name;
  };

  // The voxels of the lesions as NRRD with their place, so that the server can check the grid.
  const asNrrd = (volume, segments) => {
    const left = new Set(
      Object.values(segments).filter((one) => one && NOT_LESIONS.includes(one.label)).map((one) => one.segmentIndex)
    );
    const voxels = Uint8Array.from(volume.voxelManager.getCompleteScalarDataArray(), (value) =>
      left.has(value) ? 0 : value
    );
    const axis = (number) =>
      `(${[0, 1, 2].map((part) => volume.direction[3 * number + part] * volume.spacing[number]).join(',')})`;
    const header = [
      'NRRD0005',
      'type: uint8',
      'dimension: 3',
      'space: left-posterior-superior',
      `sizes: ${volume.dimensions.join(' ')}`,
      `space directions: ${[0, 1, 2].map(axis).join(' ')}`,
      'kinds: domain domain domain',
      'endian: little',
      'encoding: raw',
      `space origin: (${Array.from(volume.origin).join(',')})`,
    ];
    return new Blob([header.join('\n'), '\n\n', voxels]);
  };

  const save = async () => {
    const { segmentationService, viewportGridService, displaySetService, uiNotificationService } = window.services;
    const show = (message, type) =>
      uiNotificationService.show({ title: 'Save label', message, type, duration: 8000 });
    const volume = segmentationService.getLabelmapVolume(SEGMENTATION);
    if (!volume) {
      show('There is no label yet. Connect to the server and segment first.', 'error');
      return;
    }
    const name = annotator();
    if (!name) return;
    const { viewports, activeViewportId } = viewportGridService.getState();
    const [shown] = viewports.get(activeViewportId).displaySetInstanceUIDs;
    const { segments } = segmentationService.getSegmentation(SEGMENTATION);
    const form = new FormData();
    form.append('params', JSON.stringify({ annotator: name }));
    form.append('label', asNrrd(volume, segments), 'label.nrrd');
    const image = encodeURIComponent(displaySetService.getDisplaySetByUID(shown).SeriesInstanceUID);
    const answer = await fetch(`/datastore/label?image=${image}`, { method: 'PUT', body: form });
    const told = await answer.json();
    if (answer.ok) show(`Version ${told.version} by ${told.annotator}. PACS: ${told.pacs}.`, 'success');
    else show(String(told.detail), 'error');
  };

  // The panel writes a click tool's answer over those segments alone that the answer has, so the last lesion could not be
  // clicked away; and where all clicks are background it gives what is left to a segment that there is not.
  const changeLesions = (change) => {
    const { segmentationService } = window.services;
    const volume = segmentationService.getLabelmapVolume(SEGMENTATION);
    if (!volume) return;
    const { segments } = segmentationService.getSegmentation(SEGMENTATION);
    const lesion = Object.values(segments).find((one) => one?.label === LESION)?.segmentIndex;
    const voxels = volume.voxelManager.getCompleteScalarDataArray();
    volume.voxelManager.setCompleteScalarDataArray(voxels.map((value) => change(value, lesion, segments)));
    window.cornerstone.triggerEvent(window.cornerstone.eventTarget, 'CORNERSTONE_TOOLS_SEGMENTATION_DATA_MODIFIED', {
      segmentationId: SEGMENTATION,
    });
  };
  const removeLesions = () => changeLesions((value, lesion) => (value === lesion ? 0 : value));
  const nameLesions = () => changeLesions((value, lesion, segments) => (value && !segments[value] ? lesion : value));
  const { open } = XMLHttpRequest.prototype;
  XMLHttpRequest.prototype.open = function (method, url, ...others) {
    if (/\/infer\/(suv|lesion)_click\?/.test(url)) {
      this.addEventListener('load', () => this.status === 200 && removeLesions());
      // Behind the panel, which takes the answer without waiting for anything else.
      this.addEventListener('loadend', () => this.status === 200 && setTimeout(nameLesions));
    }
    return open.call(this, method, url, ...others);
  };

  const button = document.createElement('button');
  button.textContent = 'Save label';
  button.id = 'fdglung-save-label';
  button.style.cssText =
    'position:fixed;right:12px;bottom:12px;z-index:50;padding:8px 16px;border-radius:6px;background:#5acce6;color:#000';
  button.onclick = save;
  const notice = document.createElement('div');
  notice.textContent = 'Research software. Not a medical device.';
  notice.style.cssText = 'position:fixed;right:12px;bottom:60px;z-index:50;font-size:12px;color:#5acce6;pointer-events:none';

  window.config.extensions.push({
    id: 'fdglung.pet',
    getHangingProtocolModule: () => [{ name: 'mpr', protocol }],
    onModeEnter: () => document.body.append(notice, button),
    onModeExit: () => [notice, button].forEach((one) => one.remove()),
  });
  window.config.showWarningMessageForCrossOrigin = false;
})();
